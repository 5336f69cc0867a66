"""The slots of a text: the carriers that may be marked, each known by what stands around it.

A slot's identity is its class and the items beside it, so it survives changed order, other cuts and deletions, and the
same sentence in two places is one slot, which carries one bit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.tracing.carriers import MONTHS, Form, carriers
from memporium_platform.tracing.guards import Place, article_fits, at_head, in_prose, negated
from memporium_platform.tracing.words import SETS, word_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium_platform.tracing.carriers import Item
    from memporium_platform.tracing.tokens import Token

# Items on each side that are a slot's identity.
SPAN = 3

_ADJECTIVES = SETS["ADJ"]
_PLAIN_NEXT = _ADJECTIVES | word_set("a an the so such my your our really very also still always just all sure")
_PARTICIPLES = word_set(
    "been had got done gone seen made found heard met learned learnt taken come become given known thought read bought "
    "grown written started begun had always already just also never lost won built kept felt left taught"
) - {"never"}
_AUXILIARIES = word_set("'re 'll 've 's are is will can could would should have had has might were was'")
_NO_NUMBER_BEFORE = word_set(
    "the these those both or to and version python chapter section page step number figure table level class grade "
    "part type pep rfc season episode room day ages age turned turns turning one at protocol base mode python"
)
_NO_NUMBER_AFTER = word_set(
    "am pm a p percent per hundred thousand million billion dozen or to and is are was the in on at of bytes byte bit "
    "bits kb mb gb tb km m cm mm kg g lb lbs mph ms us ns s hz x e th st nd rd degrees o oclock"
)
_YEAR = re.compile(r",? ?((?:19|20)\d\d)\b")


@dataclass(frozen=True, slots=True)
class Slot:
    """A carrier that may be marked.

    Attributes:
        context: What identifies it.
        index: Index of its item.
        start: Where it begins in the text.
        end: Where it ends.
        variant: What stands there, 0 or 1.
        other: What may stand there instead.
    """

    context: str
    index: int
    start: int
    end: int
    variant: int
    other: str


def context_of(items: Sequence[Item], index: int) -> str:
    """Return the identity of the carrier at an index."""
    keys = [item.key for item in items[max(0, index - SPAN) : index + SPAN + 1]]
    return " ".join([str(min(index, SPAN)), *keys])


def slots_of(text: str) -> tuple[list[Item], list[Slot]]:
    """Return the items of an original text, and its slots."""
    words, items = carriers(text)
    found = []
    for index, item in enumerate(items):
        if item.form is None:
            continue
        other = _replacement(text, words, items, index)
        if other is None:
            continue
        start, end = item.start, item.end
        if item.form.kind == "date":
            end = _date_end(text, item)[0]
        elif other.startswith("'"):
            # The blank before a word goes where the word is contracted.
            start -= 1
        found.append(Slot(context_of(items, index), index, start, end, item.variant, other))
    return items, found


def marked(text: str, slots: Sequence[Slot], variant_of: Callable[[str], int]) -> str:
    """Return a text in which each slot has the variant that `variant_of` gives its context."""
    parts, at = [], 0
    for slot in slots:
        if variant_of(slot.context) == slot.variant:
            continue
        parts += [text[at : slot.start], slot.other]
        at = slot.end
    return "".join([*parts, text[at:]])


def _replacement(text: str, words: Sequence[Token], items: Sequence[Item], index: int) -> str | None:
    """Return what may stand in the place of a carrier, or None where it must stay."""
    item = items[index]
    form = item.form or Form((), "", -1)
    place = Place(text, words, item.first, item.last, item.start, item.end)
    if form.kind == "that":
        return _that(place, items, index)
    if form.kind.startswith("short "):
        return _contraction(place, form.kind.removeprefix("short "), item.variant)
    if not in_prose(place, named=form.kind == "date") or negated(place) or "\n" in text[item.start : item.end]:
        return None
    if form.kind == "date":
        return _date(place, item)
    if form.kind.startswith("number "):
        return form.other if _number_may(place, item.variant) else None
    return _word(place, form)


def _word(place: Place, form: Form) -> str | None:
    found = place.text[place.start : place.end]
    fits = form.other and all(guard.permits(place.word(guard.position)) for guard in form.guards)
    if not fits or not article_fits(place, form.other) or any(char in ".,;:!?()" for char in found):
        return None
    return form.other if found[0].islower() else form.other[0].upper() + form.other[1:]


def _contraction(place: Place, full: str, variant: int) -> str | None:
    text = place.text
    following = place.word(1)
    if not following or negated(place):
        return None
    if variant == 0:
        clean = text[place.start] in "'\u2019" and text[place.end : place.end + 1] == " "
        clean = clean and text[place.start + 1].islower()
        fits = full != "is" or following in _PLAIN_NEXT or following.endswith("ing")
        return f" {full}" if clean and fits else None
    if (
        place.word(-1) not in _CONTRACTING[full]
        or text[place.start - 1] != " "
        or text[place.start : place.end] != full
    ):
        return None
    if full == "have":
        fits = following in _PARTICIPLES or following.endswith("ed")
    elif full == "will":
        fits = following.isalpha()
    else:
        fits = following in _PLAIN_NEXT or (following.endswith("ing") and following not in {"bring", "thing"})
    return f"'{_SHORT[full]}" if fits else None


_WE = frozenset({"you", "we", "they"})
_CONTRACTING = {
    "am": frozenset({"i"}),
    "are": _WE,
    "have": _WE | {"i"},
    "will": _WE | {"i", "he", "she", "it"},
    "is": frozenset({"he", "she", "it", "that", "what", "here", "there", "how"}),
}
_SHORT = {"am": "m", "are": "re", "have": "ve", "will": "ll", "is": "s"}


def _that(place: Place, items: Sequence[Item], index: int) -> str | None:
    text, item = place.text, items[index]
    verb, after = items[index - 1], items[index + 1 : index + 3]
    begin = Place(text, place.words, verb.first, verb.last, verb.start, verb.end)
    if not after[1:] or not in_prose(begin) or negated(begin) or not begin.word(-1):
        return None
    if verb.key == "sure" and begin.word(-1) not in {"'m", "am", "'re", "are", "make", "made"}:
        return None
    if text[verb.end : after[0].start].strip() != ("that" if item.variant else ""):
        return None
    if after[0].key in {"it", "you"} and place.words[after[1].first].text not in _AUXILIARIES:
        return None
    return "" if item.variant else " that"


def _number_may(place: Place, variant: int) -> bool:
    text, before, after = place.text, place.word(-1), place.word(1)
    spaced = text[place.start - 1 : place.start] == " " and text[place.end : place.end + 1] == " "
    alone = after.isalpha() and after not in _NO_NUMBER_AFTER and text[place.end + 1 : place.end + 2].islower()
    free = before.isalpha() and before not in _NO_NUMBER_BEFORE and before not in MONTHS
    return spaced and alone and free and not (variant and at_head(text, place.start))


def _date_end(text: str, item: Item) -> tuple[int, str]:
    """Return where a date ends, and its year or ""."""
    year = _YEAR.match(text, item.end)
    return (year.end(), year.group(1)) if year else (item.end, "")


def _date(place: Place, item: Item) -> str | None:
    text = place.text
    end, year = _date_end(text, item)
    words = text[item.start : item.end].replace(",", " ").split()
    # Two words may have more between them than blanks and a comma: a bracket, a dash.
    if len(words) != 2:  # noqa: PLR2004 - month and day
        return None
    first, second = words
    month, day = (first, second) if item.variant else (second, first)
    named = month[0].isupper() and month.removesuffix(".").isalpha() and day.isdigit()
    if not named or place.word(-1)[-1:].isdigit() or text[end : end + 1] in {":", "-", "/"}:
        return None
    if item.variant:
        return f"{day} {month} {year}".rstrip()
    return f"{month} {day}, {year}" if year else f"{month} {day}"
