from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memporium_services.reader.domain.budget import Entry, compose, count_tokens
from memporium_services.reader.domain.gists import SHARE, Gist, Kind, fitted, lines_of, narrative
from memporium_services.reader.domain.profiles import ProfileFact, Standing, Told
from memporium_services.reader.domain.terms import terms
from memporium_services.reader.domain.values import Span

START = datetime(2023, 5, 8, tzinfo=UTC)


def _told(text: str, days: int = 0, *, speaker: str = "Ada") -> Told:
    time = START + timedelta(days=days)
    span = Span("s1", f"t{days}", speaker, time)
    return Told(f"v/cubes/c{days}", 0, f"{speaker}: {text}", text, span, time)


def _narrative(*told: Told, asked: str = "", known: tuple[str, ...] = ()) -> Gist | None:
    return narrative("v/cubes/s", 2, told, episodes=3, asked=terms(asked), known=known)


def test_a_narrative_tells_first_what_is_asked_and_in_order_of_time() -> None:
    other = [_told(f"the weather is number {day}", day) for day in range(9, 20)]
    bowl = _told("I fired the blue bowl in the kiln", 3)
    clay = _told("I bought clay for a bowl", 1)
    made = _narrative(bowl, *other, clay, asked="What about the bowl and the kiln?")
    assert made is not None
    assert made.evidence[:2] == (clay, bowl)
    assert made.head == "scene of 3 episodes, 9 May 2023 to 27 May 2023"
    assert made.text.startswith("Ada: I bought clay for a bowl Ada: I fired the blue bowl")
    assert made.tokens == count_tokens(f"[999] {made.line}") + 1


def test_a_narrative_repeats_nothing_that_the_context_has() -> None:
    one, two = _told("I fired the bowl"), _told("the kiln was hot", 1)
    made = _narrative(one, two, known=(one.text,))
    assert made is not None
    assert made.evidence == (two,)
    assert _narrative(one, known=(one.text,)) is None


def _fact(attribute: str, value: str, standing: Standing = Standing.CURRENT) -> ProfileFact:
    told = _told(f"{attribute} {value}")
    return ProfileFact(attribute, value, standing, (told,), told.time, told.time)


def test_of_a_profile_only_what_is_asked_for_and_what_holds() -> None:
    facts = [
        _fact("likes", "pottery"),
        _fact("home", "Bergen"),
        _fact("home", "Oslo", Standing.SUPERSEDED),
        _fact("work", "a bakery in Bergen", Standing.IN_CONFLICT),
    ]
    lines = lines_of("v/cubes/p", 1, "Ada", facts, asked=terms("does she live in Bergen"), keys={"ada/home"})
    assert [one.said for one in lines] == ["home: Bergen", "work: a bakery in Bergen"]
    assert "in conflict" in lines[1].head
    assert not lines_of("v/cubes/p", 1, "Ada", facts, asked=terms("what weather"), keys=())


def test_lines_keep_to_their_share_and_narratives_shrink_for_it() -> None:
    long = _narrative(
        *(_told(f"something quite long number {day} was said about {day} things", day) for day in range(9))
    )
    assert long is not None
    budget = int(long.tokens / SHARE)
    assert fitted([long], budget_tokens=budget) == (long,)
    [less] = fitted([long], budget_tokens=budget - 8)
    assert less.evidence == long.evidence[:-1]
    assert not fitted([long], budget_tokens=20)
    fact = Gist(Kind.PROFILE, "v/cubes/p", 1, "profile of Ada", (), "home: Bergen")
    assert fitted([fact, long], budget_tokens=4 * fact.tokens) == (fact,)


def test_closing_lines_are_numbered_on_and_within_the_budget() -> None:
    entries = [Entry(f"statement number {number}", "") for number in range(40)]
    closing = ["(scene of 2 episodes) this and that", "(profile of Ada) home: Bergen"]
    context = compose(entries, budget_tokens=200, limit=20, closing=closing)
    assert count_tokens(context.text) == context.tokens <= 200
    last = len(context.chosen)
    assert f"\n[{last + 1}] {closing[0]}\n[{last + 2}] {closing[1]}\n" in context.text
    assert len(compose(entries, budget_tokens=200, limit=40).chosen) > last
