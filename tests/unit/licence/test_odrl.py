from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import message_of
from memporium_platform.licence.odrl import odrl_of
from memporium_platform.licence.odrl_read import terms_from_odrl
from memporium_platform.licence.templates import load_template
from support.licences import terms as any_terms

TEMPLATES = sorted((Path(__file__).parents[3] / "policies" / "licences").glob("*.yaml"))


def _through(terms: terms_pb2.LicenceTerms) -> terms_pb2.LicenceTerms:
    return terms_from_odrl(json.dumps(odrl_of(terms)))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_template_comes_back_byte_for_byte(path):
    terms = load_template(path)
    assert check_terms(_through(terms), "terms") == check_terms(terms, "terms")


@given(any_terms, st.text(max_size=20))
def test_terms_come_back_byte_for_byte(terms, title):
    message = message_of(terms)
    message.title = title
    for permission in message.permissions:
        if not permission.constraints.window.ListFields():
            permission.constraints.ClearField("window")
    try:
        content = check_terms(message, "terms")
    except PlatformError:
        # A window that ends before it starts, as a meet may have: nobody can offer that.
        return
    assert check_terms(_through(message), "terms") == content


def test_what_a_policy_looks_like():
    policy = odrl_of(load_template(next(path for path in TEMPLATES if path.stem == "commercial-per-seat")))
    assert policy["@context"][0] == "http://www.w3.org/ns/odrl.jsonld"
    assert policy["@type"] == "Set"
    first = policy["permission"][0]
    assert first["action"] == ["read", "mp:retrieve", "mp:inferWith", "index"]
    by_operand = {one["leftOperand"]: one for one in first["constraint"]}
    assert by_operand["elapsedTime"]["rightOperand"] == {"@value": "PT31536000S", "@type": "xsd:duration"}
    count = {"leftOperand": "count", "operator": "lteq", "rightOperand": 100_000}
    assert by_operand["count"] == count | {"unit": "mp:calls", "mp:period": "P1M"}
    assert by_operand["virtualLocation"]["rightOperand"] == "mp:platform"
    assert [one["action"] for one in policy["obligation"]] == ["attribute", "compensate", "delete"]


def test_policies_of_others_in_the_common_vocabulary_are_read():
    policy = {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Offer",
        "uid": "http://example.com/policy:1",
        "permission": {
            "target": "http://example.com/asset:9",
            "action": "odrl:read",
            "constraint": [
                {"leftOperand": "odrl:purpose", "operator": "odrl:eq", "rightOperand": "research"},
                {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": {"@value": "P30DT1H2M3S"}},
                {"leftOperand": "count", "operator": "lteq", "rightOperand": 5},
            ],
        },
    }
    [permission] = terms_from_odrl(json.dumps(policy)).permissions
    assert list(permission.constraints.purposes.values) == ["research"]
    assert permission.constraints.window.duration.seconds == 30 * 86_400 + 3723
    assert (permission.constraints.quotas[0].unit, permission.constraints.quotas[0].period) == (1, 1)
    assert list(permission.forms) == [1]


RULE = {"action": "read"}
COUNT = {"leftOperand": "count", "operator": "lteq", "rightOperand": 1}


@pytest.mark.parametrize(
    ("policy", "field", "named"),
    [
        ({"assignee": "http://example.com/p"}, "odrl", "assignee"),
        ({"@type": "Agreement"}, "odrl.@type", "Agreement"),
        ({"conflict": "perm"}, "odrl.conflict", "perm"),
        ({"permission": {"action": "play"}}, "odrl.permission[0].action", "play"),
        ({"permission": RULE | {"duty": []}}, "odrl.permission[0]", "duty"),
        (
            {"permission": RULE | {"constraint": {"leftOperand": "percentage", "operator": "lteq", "rightOperand": 1}}},
            "odrl.permission[0].constraint[0].leftOperand",
            "percentage",
        ),
        (
            {"permission": RULE | {"constraint": [COUNT | {"operator": "gt"}]}},
            "odrl.permission[0].constraint[0].operator",
            "gt",
        ),
        ({"permission": RULE | {"constraint": COUNT | {"and": []}}}, "odrl.permission[0].constraint[0]", "and"),
        (
            {"permission": RULE | {"constraint": COUNT | {"mp:period": "P1W"}}},
            "odrl.permission[0].constraint[0].mp:period",
            "P1W",
        ),
        ({"prohibition": RULE | {"constraint": COUNT}}, "odrl.prohibition[0].constraint[0].leftOperand", "count"),
        ({"obligation": {"action": "nextPolicy"}}, "odrl.obligation[0].action", "nextPolicy"),
        ({"obligation": {"action": "delete"}}, "odrl.obligation[0].constraint", "constraint"),
        ({"obligation": {"action": "inform", "constraint": COUNT}}, "odrl.obligation[0].constraint", "constraint"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(policy, field, named):
    with pytest.raises(PlatformError) as caught:
        terms_from_odrl(json.dumps(policy))
    assert caught.value.reason is Reason.INVALID_FIELD
    assert [one.field for one in caught.value.fields] == [field]
    assert named in caught.value.fields[0].description


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["read", "count", "lteq"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["permission", "obligation", "action", "constraint", "leftOperand", "rightOperand", "@value"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_given_is_read_or_refused(value):
    try:
        terms_from_odrl(json.dumps(value))
    except PlatformError as error:
        assert error.reason is Reason.INVALID_FIELD


def test_a_long_or_broken_text_is_refused():
    for text in ("{", "[" * 100_000, "x" * 1_000_000):
        with pytest.raises(PlatformError):
            terms_from_odrl(text)


def test_unknown_values_are_not_written():
    terms = terms_pb2.LicenceTerms()
    terms.duties.add(kind=99)
    with pytest.raises(PlatformError):
        odrl_of(terms)
