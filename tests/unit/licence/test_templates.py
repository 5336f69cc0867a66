from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from memporium_platform.errors import PlatformError
from memporium_platform.licence.codec import terms_of
from memporium_platform.licence.evaluate import Use, evaluate
from memporium_platform.licence.templates import load_template, terms_from
from memporium_platform.licence.terms import Action, Form, Period, Quota, Unit
from support.licences import BEGIN

FOLDER = Path(__file__).parents[3] / "policies" / "licences"
USE = Use(Action.READ, Form.PLAINTEXT, now=BEGIN + timedelta(days=10), activated=BEGIN)

# template, action, change of the use, permitted?
TABLE = [
    ("internal", Action.DERIVE_LORA, {}, True),
    ("internal", Action.REDISTRIBUTE, {}, False),
    ("internal", Action.READ, {"off_platform": True}, False),
    ("evaluation", Action.READ, {}, True),
    ("evaluation", Action.READ, {"now": BEGIN + timedelta(days=30)}, False),
    ("evaluation", Action.MATERIALISE_KV, {}, False),
    ("evaluation", Action.BENCHMARK, {}, False),
    ("commercial-per-seat", Action.INFER_WITH, {"form": Form.ACTIVATION}, True),
    ("commercial-per-seat", Action.MATERIALISE_KV, {}, True),
    ("commercial-per-seat", Action.DERIVE_LORA, {}, False),
    ("commercial-per-seat", Action.READ, {"now": BEGIN + timedelta(days=366)}, False),
    ("research-only", Action.DERIVE_LORA, {"purpose": "research"}, True),
    ("research-only", Action.READ, {"purpose": "ads"}, False),
    ("research-only", Action.READ, {}, False),
    ("research-only", Action.REDISTRIBUTE, {"purpose": "research"}, False),
    ("on-platform-only", Action.RETRIEVE, {}, True),
    ("on-platform-only", Action.EXPORT_BUNDLE, {}, False),
    ("on-platform-only", Action.DERIVE_LORA, {}, False),
]


@pytest.mark.parametrize(("template", "action", "change", "permitted"), TABLE)
def test_what_the_templates_say(template, action, change, permitted):
    terms = terms_of(load_template(FOLDER / f"{template}.yaml"))
    assert evaluate(terms, replace(USE, action=action, **change)).permitted is permitted


def test_every_template_loads_and_stands_in_the_table():
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert names == {row[0] for row in TABLE}


def test_quotas_rates_and_windows():
    terms = terms_of(
        terms_from(
            {
                "permissions": [
                    {
                        "actions": ["read"],
                        "forms": ["plaintext"],
                        "from": "2026-01-01T00:00:00Z",
                        "until": "2026-02-01T00:00:00Z",
                        "quotas": ["5 tokens an hour", "7 calls"],
                        "rates": ["3 in 1 second"],
                        "max-concurrency": 2,
                        "regions": [],
                    }
                ]
            }
        )
    )
    rule = terms.rules[Action.READ, Form.PLAINTEXT]
    assert rule.window.start == BEGIN
    assert rule.quotas == {
        Quota(Unit.TOKENS, Period.HOUR, "READ/PLAINTEXT", 5),
        Quota(Unit.CALLS, Period.AGREEMENT, "READ/PLAINTEXT", 7),
    }
    assert [(rate.limit, rate.interval_s) for rate in rule.rates] == [(3, 1)]
    assert rule.max_concurrency == 2
    assert rule.regions == frozenset()


@pytest.mark.parametrize(
    "template",
    [
        None,
        {"permisions": []},
        {"permissions": {}},
        {"permissions": [{"actions": ["reed"], "forms": ["plaintext"]}]},
        {"permissions": [{"actions": ["unspecified"], "forms": ["plaintext"]}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "quota": ["5 calls"]}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "quotas": ["5 calls a fortnight"]}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "rates": ["fast"]}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "for": "ever"}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "until": "soon"}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "on-platform-only": "yes"}]},
        {"permissions": [{"actions": ["read"], "forms": ["plaintext"], "max-concurrency": True}]},
        {"permissions": [{"actions": ["read"]}]},
        {"duties": [{"kind": "sing"}]},
    ],
)
def test_what_is_not_known_is_refused(template):
    with pytest.raises(PlatformError) as error:
        terms_from(template)
    assert error.value.reason == "INVALID_FIELD"


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [")
    with pytest.raises(PlatformError, match=r"broken\.yaml"):
        load_template(path)
