from __future__ import annotations

from pathlib import Path

from hypothesis import given

from memporium_platform.licence.codec import terms_of
from memporium_platform.licence.evaluate import evaluate, objections
from memporium_platform.licence.explain import explain
from memporium_platform.licence.templates import load_template
from memporium_platform.licence.terms import Terms
from support.licences import terms as any_terms
from support.licences import uses

TEMPLATES = Path(__file__).parents[3] / "policies" / "licences"


def _of(name: str):
    return explain(terms_of(load_template(TEMPLATES / f"{name}.yaml")))


def test_an_evaluation_in_plain_words():
    told = _of("evaluation")
    assert told.allowed == (
        (
            "You may read, search and answer with text: for 30 days after the agreement came into force; "
            "at most 100 calls in all; on this platform only."
        ),
    )
    assert told.forbidden == (
        (
            "You may not build KV caches of, write new text from, train adapters on, compute vectors of, "
            "take off the platform, pass on to others or measure and publish the result of it, in any form."
        ),
        "KV memory and LoRA memory may not be used at all.",
    )
    assert told.duties == ("When it ends, the platform deletes the pack, its key and all that was made of it.",)


def test_limits_and_duties_in_plain_words():
    told = _of("commercial-per-seat")
    assert "at most 100,000 calls a month; at most 600 uses in any 60 s" in told.allowed[0]
    assert 'Attribution is shown with each result: "Contains licensed memory".' in told.duties
    research = _of("research-only")
    assert "only for the purpose research" in research.allowed[0]
    assert any("same terms" in duty for duty in research.duties)


def test_what_cannot_be_read_allows_nothing():
    assert explain(Terms({}, unknown=True)).forbidden[0].startswith("Nothing")


@given(any_terms)
def test_all_terms_can_be_told(terms):
    told = explain(terms)
    assert all(sentence.endswith(".") for part in (told.allowed, told.forbidden, told.duties) for sentence in part)
    assert bool(told.allowed) == bool(terms.rules and not terms.unknown)


@given(any_terms, uses)
def test_the_first_objection_decides(terms, use):
    found = objections(terms, use)
    decision = evaluate(terms, use)
    assert decision.permitted == (not found)
    assert not found or decision == found[0]
