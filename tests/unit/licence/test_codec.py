from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import PlatformError
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import digest_of, message_of, read_terms, terms_of
from memporium_platform.licence.evaluate import Use, evaluate
from memporium_platform.licence.terms import Action, Form
from support.licences import BEGIN, terms, uses
from support.market import licence


@given(terms)
def test_what_is_written_is_read_again(some):
    known = replace(
        some,
        unknown=False,
        spdx=frozenset(sorted(some.spdx)[:1]),
        rules={pair: rule for pair, rule in some.rules.items() if not rule.unknown},
    )
    assert terms_of(message_of(known)) == known


@given(terms, uses)
def test_writing_terms_never_permits_more(some, use):
    if evaluate(terms_of(message_of(some)), use).permitted:
        assert evaluate(some, use).permitted


def test_stored_bytes_keep_their_digest_and_meaning():
    content = check_terms(licence("READ", attribution="x"), "terms")
    assert digest_of(content) == digest_of(bytes(content))
    some = read_terms(content)
    assert set(some.rules) == {(Action.READ, Form.PLAINTEXT)}
    assert some.attribution == "x"


def test_quotas_of_one_permission_share_a_pool():
    some = terms_of(licence("READ", "RETRIEVE"))
    pools = {quota.pool for rule in some.rules.values() for quota in rule.quotas}
    assert pools == {"READ/PLAINTEXT+RETRIEVE/PLAINTEXT"}


def test_a_prohibition_overrides_a_permission():
    message = licence("READ", "RETRIEVE")
    message.prohibitions.add(actions=["LICENCE_ACTION_RETRIEVE"])
    assert set(terms_of(message).rules) == {(Action.READ, Form.PLAINTEXT)}


def _seats(terms):
    """Count one seat; return how long it is held."""
    terms.permissions[0].constraints.max_seats = 1
    return terms.permissions[0].constraints.seat_hold


@pytest.mark.parametrize(
    "change",
    [
        lambda terms: terms.permissions[0].actions.append(99),
        lambda terms: terms.permissions[0].forms.append(99),
        lambda terms: terms.permissions.add(actions=[1], forms=[1]),
        lambda terms: terms.permissions.add(actions=[3]),
        lambda terms: terms.prohibitions.add(actions=[99]),
        lambda terms: terms.prohibitions.add(),
        lambda terms: terms.duties.add(kind=99),
        lambda terms: terms.permissions[0].constraints.quotas.add(unit=1, period=1, limit=-1),
        lambda terms: terms.permissions[0].constraints.quotas.add(unit=77, period=1),
        lambda terms: terms.permissions[0].constraints.quotas.add(unit=1),
        lambda terms: terms.permissions[0].constraints.rates.add(limit=1),
        lambda terms: terms.permissions[0].constraints.window.duration.FromSeconds(-1),
        lambda terms: setattr(terms.permissions[0].constraints.window.end_time, "seconds", 2**60),
        lambda terms: setattr(terms.permissions[0].constraints, "max_concurrency", -1),
        lambda terms: setattr(terms.permissions[0].constraints, "max_seats", -1),
        lambda terms: terms.permissions[0].constraints.seat_hold.FromSeconds(60),
        lambda terms: _seats(terms).FromSeconds(0),
        lambda terms: _seats(terms).FromMilliseconds(1500),
        lambda terms: setattr(_seats(terms), "seconds", 2**60),
        lambda terms: terms.legal_text_sha256s.append("ABC"),
        lambda terms: setattr(terms, "title", "x" * 70_000),
        lambda terms: terms.MergeFromString(b"\xf8\x7f\x01"),
        lambda terms: terms.permissions[0].constraints.MergeFromString(b"\xf8\x7f\x01"),
    ],
)
def test_new_terms_that_are_not_known_or_ambiguous_are_refused(change):
    message = licence("READ")
    change(message)
    with pytest.raises(PlatformError) as error:
        check_terms(message, "terms")
    assert error.value.reason == "INVALID_FIELD"


@pytest.mark.parametrize(
    "change",
    [
        lambda terms: terms.prohibitions.add(actions=[99]),
        lambda terms: terms.duties.add(kind=99),
        lambda terms: terms.MergeFromString(b"\xf8\x7f\x01"),
        lambda terms: terms.permissions[0].constraints.MergeFromString(b"\xf8\x7f\x01"),
        lambda terms: terms.permissions[0].MergeFromString(b"\xf8\x7f\x01"),
        lambda terms: terms.permissions[0].constraints.quotas.add(unit=77, period=1, limit=5),
    ],
)
def test_stored_terms_of_a_later_version_permit_nothing_that_they_might_narrow(change):
    message = licence("READ")
    change(message)
    some = read_terms(message.SerializeToString())
    decision = evaluate(some, Use(Action.READ, Form.PLAINTEXT, now=BEGIN, activated=BEGIN))
    assert decision.verdict == "UNKNOWN"


def test_an_unknown_action_permits_nothing():
    message = terms_pb2.LicenceTerms()
    message.permissions.add(actions=[99], forms=[1])
    assert not terms_of(message).rules


def test_bytes_that_are_no_terms_are_an_integrity_failure():
    with pytest.raises(PlatformError) as error:
        read_terms(b"\xff\xff\xff")
    assert error.value.reason == "INTEGRITY_FAILURE"
