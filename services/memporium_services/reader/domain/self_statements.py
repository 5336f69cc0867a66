"""Reads what people say of themselves, by patterns in the first person. English; needs no model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.terms import terms

_NAME = r"[A-Z][\w'\u2019-]*(?:[ ,]+(?:of |the |de )?[A-Z][\w'\u2019-]*){0,3}"
_TAIL = r"[^.,;:!?()\n]{2,80}"
_KIN = (
    "sister|brother|mother|mom|mum|father|dad|wife|husband|partner|girlfriend|boyfriend|fianc\u00e9e?|son|daughter|"
    "niece|nephew|aunt|uncle|cousin|grandma|grandmother|grandpa|grandfather|boss|roommate|best friend|dog|cat|puppy|"
    "kitten|horse|rabbit|parrot"
)
_NOT = r"(?:(?:do|ca)n['\u2019]t|do not|cannot)"
_VERY = r"(?:(?:really|also|just|absolutely|totally|still|truly|do|always) )*"
# Ends a value: what follows says why or when, not what.
_CUT = re.compile(
    r"\s+(?:and (?:i|it|he|she|they|we|my|that)\b|but|because|so|when|while|since|which|who|as|if|though|after|before|"
    r"too|lately|these days|right now|now|for (?:the|a|my)|to (?:relax|unwind))\b.*$|\s+[-\u2013\u2014]\s.*$",
    re.IGNORECASE,
)
# Values that stand for something said elsewhere.
_EMPTY = re.compile(
    r"^(?:it|that|this|them|him|her|you|your|how|what|when|the way|the idea|to (?:hear|see|know)|bit|lot|little)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Stated:
    """Something that a person said of themselves.

    Attributes:
        attribute: Of what.
        value: The value, as it was said.
        slot: Facts with the same slot and other values cannot hold together.
        ended: True: it holds no longer.
    """

    attribute: str
    value: str
    slot: str
    ended: bool = False


# Attribute, whether several values may hold at once, pattern with `v`, and with `a` where it names the attribute.
_PATTERNS = tuple(
    (attribute, several, re.compile(pattern))
    for attribute, several, pattern in (
        ("name", False, rf"\b[Mm]y name(?:'s|\u2019s| is) (?P<v>{_NAME})"),
        ("lives in", False, rf"\bI(?:'m|\u2019m| am)? (?:now )?(?:live|living) in (?P<v>{_NAME})"),
        ("lives in", False, rf"\b(?:I(?:'ve|\u2019ve| have)?|[Ww]e) (?:just )?(?:moved|relocated) to (?P<v>{_NAME})"),
        ("comes from", False, rf"\bI(?:'m|\u2019m| am| come) (?:originally )?from (?P<v>{_NAME})"),
        ("work", False, rf"\bI(?:'m|\u2019m| am)? (?:now )?(?:work|working) (?:as|at|for) (?P<v>{_TAIL})"),
        ("studies", False, rf"\bI(?:'m|\u2019m| am)? (?:study|studying|majoring in) (?P<v>{_TAIL})"),
        ("is", True, rf"\bI(?:'m|\u2019m| am) (?P<v>an? (?!(?:big |huge )?fan\b|bit\b|little\b|lot\b){_TAIL})"),
        ("is allergic to", True, rf"\bI(?:'m|\u2019m| am) {_VERY}allergic to (?P<v>{_TAIL})"),
        ("favourite", False, rf"\b[Mm]y (?:all-time )?favou?rite (?P<a>[a-z]+(?: [a-z]+)?) (?:is|are) (?P<v>{_TAIL})"),
        (
            "kin",
            True,
            rf"\b[Mm]y (?:\w+ )?(?P<a>{_KIN})(?:'s name is| is called| is named| named|,)? (?P<v>[A-Z][\w-]+)",
        ),
        ("has", True, r"\bI(?:'ve got|\u2019ve got| have| own) (?P<v>(?:an?|two|three|four|\d+) [^.,;:!?()\n]{2,40})"),
        ("plays", True, rf"\bI {_VERY}play (?P<v>(?:the )?[a-z]+(?: [a-z]+)?)"),
        ("likes", True, rf"\bI {_VERY}(?:like|love|enjoy|adore|prefer) (?P<v>{_TAIL})"),
        (
            "likes",
            True,
            rf"\bI(?:'m|\u2019m| am) (?:{_VERY})(?:a (?:big |huge )?fan of|into|keen on|fond of) (?P<v>{_TAIL})",
        ),
        (
            "dislikes",
            True,
            rf"\bI (?:(?:really )?(?:hate|dislike)|{_NOT} (?:really )?(?:like|enjoy|stand|eat)) (?P<v>{_TAIL})",
        ),
    )
)
TASTES = frozenset({"likes", "dislikes"})
_NO_LONGER = re.compile(r"\b(?:used to|no longer|not any ?more|any ?more)\b", re.IGNORECASE)


def stated_in(said: str) -> tuple[Stated, ...]:
    """Return what a statement says of its speaker, in order; questions say nothing."""
    found: dict[Stated, None] = {}
    for sentence in sentences(said):
        if is_question(sentence):
            continue
        ended = _NO_LONGER.search(sentence) is not None
        for attribute, several, pattern in _PATTERNS:
            for match in pattern.finditer(sentence):
                value = _CUT.sub("", match["v"]).strip(" '\"\u201d-")
                if tells(value):
                    named = _named(attribute, match)
                    found[Stated(named, value, _slot(named, value, several=several), ended)] = None
    return tuple(found)


def _named(attribute: str, match: re.Match[str]) -> str:
    if attribute == "favourite":
        return f"favourite {match['a'].lower()}"
    return match["a"].lower() if attribute == "kin" else attribute


def _slot(attribute: str, value: str, *, several: bool) -> str:
    """Return what can have one value: the attribute, or where it has several, each value; a taste is for or against."""
    if attribute in TASTES:
        return taste_slot(value)
    return f"{attribute}: {value.casefold()}" if several else attribute


def tells(value: str) -> bool:
    """Say whether a value says something by itself: "it" and "to" do not."""
    return bool(terms(value)) and not _EMPTY.match(value)


def taste_slot(topic: str) -> str:
    """Return the slot of a taste: one is for or against a topic."""
    return f"taste of {topic.casefold()}"
