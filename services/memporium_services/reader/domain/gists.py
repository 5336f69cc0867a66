"""What stands above single statements: a scene's narrative and a person's profile, as lines of a context.

Rules:
    1. A scene is brought where at least two of the best statements lie in it, or the best of all; it is told by the
       statements that stand for it best, those that speak of the question first, in order of time, each in its
       speaker's words.
    2. Of a profile, the facts that the question asks for or has words of, the newest first; none that was superseded.
    3. Every line names its statements, and they name their turns: nothing is said that was not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from memporium_services.reader.domain.budget import count_tokens
from memporium_services.reader.domain.claim_words import attribute_of, subject_of
from memporium_services.reader.domain.dates import day_in_words
from memporium_services.reader.domain.profiles import Standing
from memporium_services.reader.domain.scenes import representatives
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from memporium_services.reader.domain.profiles import ProfileFact, Told

# Statements of a narrative, and characters of each: a turn may be a page long.
MOST_STATEMENTS, _MOST_CHARS = 5, 240
# Facts of one person.
MOST_FACTS = 4
# Of a budget, what lines above the statements may take.
SHARE = 0.25


class Kind(IntEnum):
    """What a line tells; see `RecallItemKind` in the protos."""

    SCENE = 1
    PROFILE = 2


@dataclass(frozen=True, slots=True)
class Gist:
    """A line above single statements.

    Attributes:
        kind: What it tells.
        cube: The scene's or profile's cube.
        version: Of that cube.
        head: What stands before the text in a context.
        evidence: The statements that it is made of, in order; of a fact of a person, those that say so.
        said: The text of a profile's line; "": that of the statements.
    """

    kind: Kind
    cube: str
    version: int
    head: str
    evidence: tuple[Told, ...]
    said: str = ""

    @property
    def text(self) -> str:
        """What it says."""
        return self.said or " ".join(_short(told.text) for told in self.evidence)

    @property
    def line(self) -> str:
        """What stands in a context behind its number."""
        return f"({self.head}) {self.text}"

    @property
    def tokens(self) -> int:
        """The tokens of its line, with the longest number."""
        return count_tokens(f"[999] {self.line}") + 1


def narrative(
    cube: str, version: int, told: Sequence[Told], *, episodes: int, asked: Collection[str], known: Collection[str]
) -> Gist | None:
    """Return a scene's line; None where it would say nothing that is not there already.

    Args:
        cube: The scene's cube.
        version: Of that cube.
        told: All its statements.
        episodes: How many episodes it has.
        asked: Stems of the question.
        known: Texts that stand in the context already.
    """
    fresh = [one for one in told if one.text not in known]
    order = sorted(fresh, key=lambda one: (one.time, one.cube, one.unit))
    places = representatives([one.said for one in order], most=MOST_STATEMENTS, lift=frozenset(asked))
    if not places:
        return None
    chosen = tuple(order[place] for place in places)
    times = sorted(one.time for one in told)
    first, last = day_in_words(times[0]), day_in_words(times[-1])
    span = first if first == last else f"{first} to {last}"
    head = f"scene of {episodes} episode{'s' if episodes > 1 else ''}, {span}"
    return Gist(Kind.SCENE, cube, version, head, chosen)


def lines_of(
    cube: str,
    version: int,
    subject: str,
    facts: Sequence[ProfileFact],
    *,
    asked: Collection[str],
    keys: Collection[str],
) -> list[Gist]:
    """Return a person's facts that a question asks for, the most asked for first.

    Args:
        cube: The profile's cube.
        version: Of that cube.
        subject: The person.
        facts: What they said of themselves, newest first.
        asked: Stems of the question, without names.
        keys: Claims that the question asks for, `ada/home`.
    """
    found: list[tuple[int, Gist]] = []
    for fact in facts:
        if fact.standing is Standing.SUPERSEDED:
            continue
        key = f"{subject_of(subject)}/{attribute_of(fact.attribute)}"
        words = terms(f"{fact.attribute} {fact.value}")
        weight = (len(asked) + 1 if key in keys else 0) + len(set(words).intersection(asked))
        if weight:
            mark = ", in conflict" if fact.standing is Standing.IN_CONFLICT else ""
            head = f"profile of {subject}, said {day_in_words(fact.last)}{mark}"
            said = f"{fact.attribute}: {fact.value}"
            found.append((weight, Gist(Kind.PROFILE, cube, version, head, fact.evidence, said)))
    return [gist for _, gist in sorted(found, key=lambda one: -one[0])[:MOST_FACTS]]


def fitted(gists: Sequence[Gist], *, budget_tokens: int) -> tuple[Gist, ...]:
    """Return the lines that fit into their share of a budget; a narrative may lose its last statements."""
    left = int(SHARE * budget_tokens)
    kept: list[Gist] = []
    for gist in gists:
        one = gist
        while one.tokens > left and one.kind is Kind.SCENE and len(one.evidence) > 1:
            one = replace(one, evidence=one.evidence[:-1])
        if one.tokens <= left:
            kept.append(one)
            left -= one.tokens
    return tuple(kept)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1].rsplit(' ', 1)[0]}\u2026"
