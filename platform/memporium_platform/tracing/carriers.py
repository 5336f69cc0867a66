"""Finds the carriers in a text: words and phrases that have another way to say the same.

`carriers` reads loosely, without looking at what stands around: so the original, a marked copy and a copy that lost its
case and punctuation give the same sequence of items. Which carriers of an original may be marked, `guards` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from memporium_platform.tracing.guards import Guard, parse_guards
from memporium_platform.tracing.tokens import BASES, Token, tokens
from memporium_platform.tracing.words import rules, word_set

MONTHS = word_set("january february march april may june july august september october november december")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

# Days of the longest month.
_DAYS = 31
_CONTRACTED = {"'m": "am", "'re": "are", "'ve": "have", "'ll": "will", "'s": "is"}
_SAYING = word_set("know hope say said guess see sure glad mean wish feel knew thought suppose heard bet")
_SUBJECTS = word_set("i we they he she you it")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say it: the words, the class, the variant (0 or 1), and the rule that may replace it."""

    words: tuple[str, ...]
    kind: str
    variant: int
    other: str = ""
    guards: tuple[Guard, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """A place in a text as it is compared: a word, or a carrier whatever its variant.

    Attributes:
        key: The word, or `~` and the class.
        start: Where it begins in the text.
        end: Where it ends.
        first: Index of its first token.
        last: Index after its last token.
        variant: 0 or 1 for a carrier, else -1.
        form: The form that stands there, for a carrier.
    """

    key: str
    start: int
    end: int
    first: int
    last: int
    variant: int = -1
    form: Form | None = None


@cache
def forms() -> dict[tuple[str, ...], Form]:
    """Return every form of the rules by its words."""
    table: dict[tuple[str, ...], Form] = {}
    for rule in rules():
        pairs, _, conditions = rule.partition("|")
        guards = parse_guards(conditions)
        for pair in pairs.split():
            both = "~" in pair
            left, right = (side.replace("_", " ") for side in pair.split("~" if both else ">"))
            for variant, (form, other) in enumerate(((left, right), (right, left))):
                words = tuple(token.text for token in tokens(form))
                if words in table:
                    raise ValueError(f"{form} is in two rules")
                may = both or not variant
                kept = tuple(guard for guard in guards if guard.direction in {-1, variant})
                table[words] = Form(words, left, variant, other if may else "", kept if may else ())
    for number, word in enumerate(_NUMBERS, 2):
        table[(word,)] = Form((word,), f"number {word}", 1, str(number))
        table[(str(number),)] = Form((str(number),), f"number {word}", 0, word)
    return table


@cache
def _starts() -> dict[str, int]:
    """Return the length of the longest form that begins with a word."""
    longest: dict[str, int] = {}
    for words in forms():
        longest[words[0]] = max(longest.get(words[0], 0), len(words))
    return longest


def carriers(text: str) -> tuple[list[Token], list[Item]]:
    """Return the words of a text, and its items in order."""
    words = tokens(text)
    items: list[Item] = []
    at = 0
    while at < len(words):
        item = _date(words, at) or _phrase(words, at) or _contraction(words, at)
        if item is None:
            token = words[at]
            item = Item(token.text, token.start, token.end, at, at + 1)
        items.append(item)
        at = item.last
    return words, _with_that(items)


def _phrase(words: list[Token], at: int) -> Item | None:
    for length in range(min(_starts().get(words[at].text, 0), len(words) - at), 0, -1):
        form = forms().get(tuple(token.text for token in words[at : at + length]))
        if form is not None:
            last = at + length
            return Item(f"~{form.kind}", words[at].start, words[last - 1].end, at, last, form.variant, form)
    return None


def _contraction(words: list[Token], at: int) -> Item | None:
    token = words[at]
    before = words[at - 1].text if at else ""
    full = _CONTRACTED.get(token.text)
    if full is not None:
        form = Form((token.text,), f"short {full}", 0, f" {full}")
    elif token.text in _CONTRACTED.values() and before in BASES and (token.text == "am") <= (before == "i"):
        short = next(short for short, word in _CONTRACTED.items() if word == token.text)
        form = Form((token.text,), f"short {token.text}", 1, short)
    else:
        return None
    return Item(f"~{form.kind}", token.start, token.end, at, at + 1, form.variant, form)


def _date(words: list[Token], at: int) -> Item | None:
    """A day and a month, in either order; the key holds both."""
    if at + 1 >= len(words):
        return None
    one, two = words[at].text, words[at + 1].text
    day, month, variant = (two, one, 1) if one in MONTHS else (one, two, 0)
    number = day.removesuffix("th").removesuffix("st").removesuffix("nd").removesuffix("rd")
    if month not in MONTHS or not (number.isdigit() and number.isascii() and 0 < int(number) <= _DAYS):
        return None
    form = Form((one, two), "date", variant)
    return Item(f"~date {month} {number}", words[at].start, words[at + 1].end, at, at + 2, variant, form)


def _with_that(items: list[Item]) -> list[Item]:
    """Add the conjunction `that` between a verb of saying and its clause, where it stands or could stand."""
    found: list[Item] = []
    at = 0
    while at < len(items):
        item = items[at]
        found.append(item)
        at += 1
        saying = item.key in _SAYING or item.key in {"~think", "~guess", "~glad", "~remember"}
        if not saying or at >= len(items):
            continue
        here = items[at]
        there = items[at + 1] if at + 1 < len(items) else None
        if here.key == "that" and there is not None and there.key in _SUBJECTS:
            found.append(Item("~that", item.end, here.end, here.first, here.last, 1, Form(("that",), "that", 1)))
            at += 1
        elif here.key in _SUBJECTS:
            found.append(Item("~that", item.end, item.end, here.first, here.first, 0, Form((), "that", 0)))
    return found
