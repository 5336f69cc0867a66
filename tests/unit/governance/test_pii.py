import asyncio
import re
import socket
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memporium_platform.authz.roles import policies_dir
from memporium_platform.errors import PlatformError, Reason
from memporium_services.governance.adapters import presidio
from memporium_services.governance.adapters.policy_files import load_pii_rules, load_retention
from memporium_services.governance.adapters.presidio import PresidioDetector
from memporium_services.governance.app.pii import Pii
from memporium_services.governance.domain.pii import EntityRule, Finding, Mode, PiiRules, redact, relevant

RULES = PiiRules({"A": EntityRule(True, 0.5), "B": EntityRule(False, 0.2)})


PRESIDIO = PresidioDetector()


def test_findings_below_their_rules_score_or_of_other_kinds_do_not_count():
    found = [Finding("A", 0, 2, 0.4), Finding("B", 3, 5, 0.3), Finding("C", 6, 8, 1.0), Finding("B", 9, 9, 1.0)]
    assert relevant(found, RULES, min_score=0) == [Finding("B", 3, 5, 0.3)]
    assert relevant(found, RULES, min_score=0.4) == [Finding("A", 0, 2, 0.4)]


def test_of_overlapping_findings_the_surer_then_the_longer_stays():
    found = [Finding("A", 0, 5, 0.6), Finding("B", 4, 8, 0.9), Finding("B", 10, 12, 0.5), Finding("A", 10, 14, 0.5)]
    assert relevant(found, RULES, min_score=0) == [Finding("B", 4, 8, 0.9), Finding("A", 10, 14, 0.5)]


FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from("AB"), st.integers(0, 20), st.integers(0, 20), st.floats(0, 1)), max_size=8
)


@given(FINDINGS, st.sampled_from(Mode))
def test_redaction_leaves_the_rest_as_it_was(findings, mode):
    text = "abcdefghijklmnopqrst"
    kept = relevant(findings, RULES, min_score=0)
    assert all(one.end <= two.start for one, two in pairwise(kept))
    rest = "".join(
        letter for place, letter in enumerate(text) if not any(found.start <= place < found.end for found in kept)
    )
    redacted = redact(text, kept, mode, key=b"k")
    for found in kept:
        assert mode is Mode.PSEUDONYM or text[found.start : found.end] not in redacted
    remaining = iter(redacted)
    assert all(letter in remaining for letter in rest)


def test_masking_keeps_the_last_four_of_a_number():
    card = "4111-1111-1111-1234"
    assert redact(card, [Finding("A", 0, 19, 1)], Mode.MASK, key=b"") == "****-****-****-1234"
    assert redact("1234567", [Finding("A", 0, 7, 1)], Mode.MASK, key=b"") == "*******"
    assert redact("ann@x.org", [Finding("A", 0, 9, 1)], Mode.MASK, key=b"") == "***@*.***"


def test_pseudonyms_are_equal_for_equal_values_under_one_key_alone():
    def pseudonym(text, key):
        return redact(text, [Finding("A", 0, len(text), 1)], Mode.PSEUDONYM, key=key)

    assert pseudonym("Ann@X.org", b"k") == pseudonym("ann@x.org", b"k")
    assert pseudonym("ann@x.org", b"k") != pseudonym("ann@x.org", b"l")
    assert pseudonym("ann@x.org", b"k") != pseudonym("bob@x.org", b"k")


class Words:
    def __init__(self):
        self.asked = []

    def detect(self, text, entities):
        self.asked.append(text)
        return [Finding(entities[0], 0, 3, 1.0)] if text.startswith("ann") else []


@pytest.fixture
async def pii():
    pii = Pii(Words(), RULES, secret=b"s")
    yield pii
    await pii.stop()


async def test_texts_keep_their_order(pii):
    texts = ["bob", "ann is here", ""]
    found = await pii.detect(texts, entities=[], min_score=0, language="")
    assert found == [[], [Finding("A", 0, 3, 1.0)], []]
    assert pii.redact(texts, found, Mode.REPLACE, org="acme") == ["bob", "<A> is here", ""]
    one, two = (pii.redact(texts, found, Mode.PSEUDONYM, org=org)[1] for org in ("acme", "other"))
    assert one != two


async def test_a_text_is_looked_at_once_for_each_organisation_and_choice_of_kinds():
    words = Words()
    pii = Pii(words, RULES, secret=b"s")
    asked = {"entities": [], "min_score": 0, "language": ""}
    for _ in range(2):
        found = await pii.detect(["ann", "bob"], org="acme", **asked)
        assert found == [[Finding("A", 0, 3, 1.0)], []]
    assert words.asked == ["ann", "bob"]
    await pii.detect(["ann"], org="other", **asked)
    assert await pii.detect(["ann"], org="acme", **asked | {"entities": ["B"]}) == [[Finding("B", 0, 3, 1.0)]]
    assert words.asked == ["ann", "bob", "ann", "ann"]
    await pii.stop()


@pytest.mark.parametrize(
    "fields",
    [
        {"texts": ["x"] * 1001},
        {"texts": ["x" * (2 << 20), "y"]},
        {"entities": ["C"]},
        {"min_score": 2.0},
        {"language": "de"},
    ],
)
async def test_too_much_or_unknown_is_refused(pii, fields):
    options = {"texts": ["x"], "entities": [], "min_score": 0, "language": "", **fields}
    with pytest.raises(PlatformError) as caught:
        await pii.detect(options.pop("texts"), **options)
    assert caught.value.reason is Reason.INVALID_FIELD


def test_shipped_rules_find_personal_data_without_the_network(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    rules = load_pii_rules(policies_dir())
    detector = PresidioDetector()
    samples = {
        "EMAIL_ADDRESS": "write to ann.lee@example.co.uk today",
        "IBAN_CODE": "my IBAN is DE89370400440532013000",
        "CREDIT_CARD": "card 4111 1111 1111 1111 please",
        "IP_ADDRESS": "from 192.168.17.4 at night",
        "US_SSN": "his social security number is 536-90-4399",
        "PHONE_NUMBER": "call my phone +44 20 7946 0958 after six",
    }
    for entity, text in samples.items():
        found = relevant(detector.detect(text, tuple(rules.entities)), rules, min_score=0)
        assert entity in {finding.entity for finding in found}, text
    plain = "The loop statement repeats its body while the condition is true."
    assert not relevant(detector.detect(plain, tuple(rules.entities)), rules, min_score=0)


SAMPLES = [
    "write to ann.lee@example.co.uk", "IBAN DE89370400440532013000", "card 4111 1111 1111 1111 please", "192.168.17.4",
    "his social security number is 536-90-4399", "call +44 20 7946 0958", "ring 1640 at once", "phone: (030) 12 34 56 7",
    "fe80::1ff:fe23:4567:890a", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "::ffff:192.0.2.128", "00:1a:2b:3c:4d:5e",
    "001a.2b3c.4d5e", "see www.example.org/a?b=c", "EXAMPLE.Info", "http://a.museum", "itin 912-70-1234", "912701234",
    "nhs 943 476 5919", "9434765919", "passport A12345678", "licence number A1", "driver H12345678", "0123456789012",
    "dea BB1388568", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bank account 12345678", "at ten", "v. 1.2.3 of 7:30",
    "\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "tel \uff10\uff13\uff10-\uff11\uff12\uff13\uff14\uff15", "A-Z]]123", "\u017f12345",
]  # fmt: skip
PIECES = st.lists(
    st.sampled_from(SAMPLES) | st.text("0123456789 -.:/()+@aAzZx\n", max_size=14) | st.sampled_from(["phone", "card"]),
    max_size=5,
)


@given(PIECES, st.sampled_from([" ", "", "\n", ". "]))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_not_looked_for_is_not_there(monkeypatch, pieces, between):
    entities = tuple(load_pii_rules(policies_dir()).entities)
    text = between.join(pieces)
    found = PRESIDIO.detect(text, entities)
    with monkeypatch.context() as patched:
        patched.setattr(presidio, "possible", lambda _text, kinds: kinds)
        patched.setattr(presidio, "_HINT", re.compile(""))
        patched.setattr(presidio, "_LATER", None)
        assert sorted(map(repr, PRESIDIO.detect(text, entities))) == sorted(map(repr, found))


@pytest.mark.parametrize("before", range(1650, 2050, 7))
def test_what_lies_on_the_edge_of_a_window_is_found_whole(before):
    text = "x" * before + " ann.lee@example.org " + "y " * 900
    found = relevant(PRESIDIO.detect(text, ("EMAIL_ADDRESS",)), load_pii_rules(policies_dir()), min_score=0)
    assert [text[one.start : one.end] for one in found] == ["ann.lee@example.org"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("the largest value is 2147483647 on such machines", False),
        ("format(1234567890) gives a thousands separator", False),
        ("call her cell phone 2025550147 tonight", True),
        ("reach her at 202-555-0147 tonight", True),
        ("reach her at +12025550147 tonight", True),
    ],
)
def test_bare_digits_are_a_phone_number_only_beside_a_word_that_says_so(text, counts):
    rules = load_pii_rules(policies_dir())
    found = relevant(PRESIDIO.detect(text, ("PHONE_NUMBER",)), rules, min_score=0)
    assert bool(found) is counts


def test_shipped_retention():
    retention = load_retention(policies_dir())
    assert retention.audit_records is None
    assert retention.removed_rows.days == 7


async def test_detection_leaves_the_event_loop_free():
    class Slow(Words):
        def detect(self, text, entities):
            event.wait(60)
            return []

    import threading

    event = threading.Event()
    pii = Pii(Slow(), RULES, secret=b"s")
    task = asyncio.create_task(pii.detect(["x"], entities=[], min_score=0, language="en"))
    await asyncio.sleep(0)
    event.set()
    assert await task == [[]]
    await pii.stop()
