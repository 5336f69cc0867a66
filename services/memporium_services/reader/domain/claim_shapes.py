"""Finds in a clause who it may be about and values of a known shape: what reading by meaning starts from.

Shapes are e-mail addresses, telephone numbers, sums of money, days, professions, and proper names. For each pair of a
subject and a value the clause is written with stand-ins for both, so that only what it says of them is left.
"""

# ruff: noqa: SIM905 - lists of words
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_prototypes import NAME, STAND_INS
from memporium_services.reader.domain.claim_rules import LISTENER, SPEAKER
from memporium_services.reader.domain.claim_words import PROFESSIONS
from memporium_services.reader.domain.terms import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterator

_REACHED = frozenset({"email", "phone"})
# Longer clauses say more than one thing, and little of one.
_MOST_CHARS = 160
_LEAST_DIGITS = 7
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_NO_NAMES = frozenset(
    "he she it they this that these those there here what who which where when why how everyone everybody someone "
    "somebody nobody anyone anybody something nothing everything anything one both all some most many few his her "
    "their its you the a an my our your in on at for to from by as if and but so or not no yes please call email mail "
    "write reach send use drop ring dial text contact after before with since until hey hi ok tv i we me us just then "
    "yep yup plus anyways let lets sounds looks seems moments "
    "also too very more new old total overall final turns mine hers theirs "
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun "
    f"christmas easter thanksgiving halloween {_MONTH.lower().replace('|', ' ')}".split()
)
_KIN = (
    "best friend|friend|sister|brother|mother|mum|mom|father|dad|wife|husband|spouse|partner|girlfriend|boyfriend|"
    "fianc[e\u00e9]e?|son|daughter|child|cousin|uncle|aunt|niece|nephew|grandmother|grandma|grandfather|grandpa|"
    "grandson|granddaughter|colleague|coworker|roommate|flatmate|housemate|neighbour|landlord|tutor|kids?|family|"
    "parents|team|company|dog|cat|pet"
)
_CAP = r"[A-Z][\w&-]*(?:\.(?=\w)[\w&-]+)*"
_NAMED = rf"{_CAP}(?: (?:of |de |van |the )?(?:{_CAP}|\d+\b))*"
_OF_KIN = rf"'s (?:[a-z]+ )?(?:{_KIN})\b(?!'s)"
_MENTION = re.compile(rf"[{SPEAKER}{LISTENER}](?:{_OF_KIN}(?: {_NAMED})?)?|{_NAMED}(?:{_OF_KIN})?")
# What follows a word at the beginning of a sentence if that is a name.
_AFTER_NAME = re.compile(
    r"'s\b|,| \(|(?: [a-z]+){0,2}? (?:is|has|was|and|can|now|[a-z]+s|[a-z]+ed|took|got|left|went|began|became|sold|"
    r"bought)\b"
)
_SHAPES = (
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (
        "money",
        re.compile(
            r"[$\u20ac\u00a3] ?\d[\d,.]*\d?(?: ?(?:k|m|million|bn|billion)\b)?|"
            r"\b\d[\d,.]* ?(?:k |thousand |million )?(?:euros?|dollars?|pounds|francs|EUR|USD|GBP|CHF)\b"
        ),
    ),
    (
        "date",
        re.compile(
            rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?\b)"
            r"(?:,? \d{4})?|\b\d{4}-\d\d-\d\d\b"
        ),
    ),
    ("phone", re.compile(r"(?<![\w@.-])\+?\d[\d ()/-]{5,}\d(?![\w@])")),
)
_WORK = re.compile(rf"\b(?:{PROFESSIONS})\b")
_WORD_BEFORE = re.compile(r"(?<!')\b([a-z-]+) $")
# Ends the name of a profession to the left.
_NOT_OF_WORK = frozenset(
    "a an the as is are was be been being become becomes became now working work works to of and or who by in for his "
    "her their also still just currently actually am me them at than not trained promoted appointed named employed "
    "retrained only qualified certified licensed professional full-time part-time".split()
)
# What is denied, past, to come, or somebody else's word asserts nothing that lasts.
_DENIED = re.compile(
    r"\b(?:no longer|not|never|without|neither|nor|used to|formerly|previously|former|ex-\w+|back then|in the past|"
    r"as a (?:child|kid|boy|girl)|years ago|when \w+ (?:was|were)|lived|worked|drove|"
    r"should(?! be (?:done|finished|ready|complete|delivered|sent|handed))|says?|said (?!goodbye|farewell)|told|asked|"
    r"asks?|thinks?|thought|heard|hears|knows?|claims?|claimed|almost|nearly)\b|"
    r"n't\b",
    re.IGNORECASE,
)
# But a day to come may be when something is due.
_TO_COME = re.compile(r"\b(?:will|shall|next (?:week|month|year))\b")


_SMALL = r"[a-z\u00e0-\u00ff-]{3,}"
# What is liked: "favourite dish", "no other dish", "best of all dishes", "the dish that Ann likes best".
_FAVOURITE = re.compile(
    rf"\b(?:(?:[Ff]avourite|[Bb]est|[Nn]o better|[Tt]op|[Pp]referred|[Nn]umber one|"
    rf"[Aa]ny other|[Nn]o other|[Nn]o|other|(?:[Oo]f|[Aa]mong|[Aa]mongst) all(?: the)?) "
    rf"(?P<noun>{_SMALL})\b|[Tt]he (?P<liked>{_SMALL}) (?=.{{1,40}}\b(?:likes?|"
    rf"loves?|enjoys?|prefers?|picks?|orders?|eats?|chooses?)\b)|"
    rf"[Ll]ist of (?P<listed>{_SMALL})\b)"
)
_LIKED_BARE = re.compile(
    r"'s (?:absolute |all-time |new |old |big )*favourite\b(?= (?:is|has|now|these|"
    r"of all)\b|[,.!:]|\W*$)|\b(?:most|best) of all\b|\b(?:likes?|loves?|enjoys?) "
    r"(?!.*\bis\b).{2,40} (?:best|the most)\b|[Nn]othing beats|new favourite\b|\blikes? best\b|"
    r"\b(?:likes?|loves?|enjoys?) .{2,40} more than anything\b"
)
_LIKING = re.compile(
    r"\b(?:favourite|best|better|most|top|tops|preferred|prefers?|"
    r"beats?|number one|more than|close to|above|every time|pleases)\b",
    re.IGNORECASE,
)
_NOT_LIKED = frozenset(
    "a an the is are was be been has have had there of all for ever as to in at on by and or now no not any other "
    "more most than better best new old current favourite absolute all-time go-to nothing beats swears names name "
    "picks pick choose chooses would always really still also just says say said likes like loves love enjoys enjoy "
    "prefers prefer adores pleases it its it's his her their my our that this which what i you he she they me "
    "nowadays lately recently currently these days anything else tastes taste changed found become becomes remains "
    "stays with from among above over comes come close tops top list beats beat overtaken others number one official "
    "every time day discovered discover fell fallen gone off switched switch swapped order orders ordered eats eat "
    "eating cook cooks cooking think thinks out single can could will must do does so but if when whenever asked "
    "far life world live lives on adore favourites first choice place took taken over replaced became turned "
    "holiday week month year last since before after who whom good great very much anymore again have having "
    "turns preferred named called chosen chose know knows".split()
)
_MOST_TASTE_WORDS, _MOST_TASTES = 3, 3


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a clause.

    Attributes:
        masked: The clause with stand-ins.
        shape: The value's shape, a key of `STAND_INS`.
        subject: Of whom.
        value: The value.
        doubtful: The value is but a word at the beginning of a sentence: its capital may mean nothing.
        named: The subject stands there by name.
        noun: What something is the favourite of; "": it is no matter of taste.
    """

    masked: str
    shape: str
    subject: str
    value: str
    doubtful: bool = False
    noun: str = ""
    named: bool = False


def readings_of(clause: str, *, speaker: bool = False) -> Iterator[Reading]:
    """Yield the ways to read a clause, in which the speaker and the listener are marked; `speaker`: there is one."""
    if len(clause) > _MOST_CHARS or _DENIED.search(clause):
        return
    shaped = list(_shaped(clause))
    if _TO_COME.search(clause) and not any(shape == "date" for shape, _, _ in shaped):
        return
    bare = clause
    for _, start, end in shaped:
        bare = f"{bare[:start]}{'.' * (end - start)}{bare[end:]}"
    about = list(dict.fromkeys(found[0] for found in _mentions(bare)))
    if not about and speaker and not _REACHED.isdisjoint(shape for shape, _, _ in shaped):
        # "Call 555-1234": who says so without a name means to be called.
        about = [SPEAKER]
    yield from _tastes(clause, about)
    marked = [one for one in about if one[0] in {SPEAKER, LISTENER}]
    projects = [one for one in about if one.startswith("Project ")]
    if len(about) == 1 or len(projects) == 1:
        one_of = projects[0] if projects else about[0]
        shapes = [shape for shape, _, _ in shaped]
        # Of two of one shape it is not clear which one holds.
        single = (one for one in shaped if shapes.count(one[0]) == 1)
        yield from (_reading(clause, one_of, shape, clause[start:end]) for shape, start, end in single)
    if len(about) != 2 or len(marked) == 2:  # noqa: PLR2004 - a subject and a value
        return
    for subject, value in (about, about[::-1]):
        if value not in marked and "'s " not in value and (not marked or subject in marked):
            yield _reading(clause, subject, "proper", value)


def _reading(clause: str, subject: str, shape: str, value: str) -> Reading:
    masked = re.sub(rf"{re.escape(subject)}(?!\w)", NAME, clause)
    masked = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", STAND_INS[shape], masked)
    doubtful = shape == "proper" and clause.startswith(value) and " " not in value
    named = subject[0] not in {SPEAKER, LISTENER}
    masked = masked.replace(SPEAKER, NAME).replace(LISTENER, NAME)
    return Reading(masked, shape, subject, value, doubtful, named=named)


def _tastes(clause: str, about: list[str]) -> Iterator[Reading]:
    """Yield what may be somebody's favourite: words that are neither of the form nor the subject."""
    if not _LIKING.search(clause) or "One of " in clause or "one of " in clause:
        return
    # A word at the beginning of a sentence may be what is liked: "Ramen is the dish I like best".
    named = [one for one in about if " " in one or one[0] in {SPEAKER, LISTENER} or not clause.startswith(one)] or about
    found = _FAVOURITE.search(clause)
    if len(named) != 1:
        return
    if found and found["noun"] and found[0].lower().startswith("favourite") and _one_of(found["noun"]) != found["noun"]:
        # Of several favourites none is the only one.
        return
    noun = _one_of(found["noun"] or found["liked"] or found["listed"]) if found else ""
    if noun in COMMON or noun in _NOT_LIKED:
        noun = ""
    if not noun and not _LIKED_BARE.search(clause):
        return
    rest = re.sub(rf"{re.escape(named[0])}(?!\w)", " , ", clause)
    rest = re.sub(r"'(?:s|d)\b", " , ", rest)
    runs = [
        " ".join(run.split()) for run in re.split(r"[^\w' -]", " ".join(_bare(word, noun) for word in rest.split()))
    ]
    values = list(dict.fromkeys(run for run in runs if run and len(run.split()) <= _MOST_TASTE_WORDS))
    for value in values[:_MOST_TASTES]:
        told = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", STAND_INS["taste"], clause)
        told = re.sub(rf"\b{re.escape(noun)}(?=(?:e?s)?\b)", "dish", told) if noun else told
        told = re.sub(rf"{re.escape(named[0])}(?!\w)", NAME, told).replace(SPEAKER, NAME)
        yield Reading(told, "taste", named[0], value, noun=noun)


def _one_of(noun: str) -> str:
    """Return the noun for one: "dishes" are of one dish."""
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def _bare(word: str, noun: str) -> str:
    """Return a word, or a border in place of one that no name of something liked has."""
    plain = word.strip('.,;:!?()"').lower()
    border = plain in _NOT_LIKED or plain in COMMON or noun in {plain, _one_of(plain)} or plain.endswith("s'")
    return "," if border else word


def _shaped(clause: str) -> Iterator[tuple[str, int, int]]:
    """Yield the values of a shape of their own: shape, start, end."""
    taken: list[tuple[str, int, int]] = []
    for shape, pattern in _SHAPES:
        for found in pattern.finditer(clause):
            if shape == "phone" and sum(mark.isdigit() for mark in found[0]) < _LEAST_DIGITS:
                continue
            if not _overlaps(found, taken):
                taken.append((shape, found.start(), found.end()))
    for found in _WORK.finditer(clause):
        start = found.start()
        while (word := _WORD_BEFORE.search(clause[:start])) and word[1] not in _NOT_OF_WORK:
            start = word.start()
        taken.append(("work", start, found.end()))
    yield from taken


def _mentions(clause: str) -> Iterator[re.Match[str]]:
    """Yield who is named, and what."""
    for found in _MENTION.finditer(clause):
        words = found[0]
        first = words.split(" ", 1)[0].split("'", 1)[0].lower()
        if words[0] not in {SPEAKER, LISTENER}:
            if first in _NO_NAMES and not (first == "new" and " " in words):
                # "For Ann Lee": the name begins behind.
                behind = _MENTION.match(clause, found.start() + len(first) + 1) if " " in words else None
                if behind is not None and behind[0].split(" ", 1)[0].lower() not in _NO_NAMES:
                    yield behind
                continue
            if (
                not found.start()
                and " " not in words
                and (first in COMMON or not _AFTER_NAME.match(clause, found.end()))
            ):
                continue
        yield found


def _overlaps(found: re.Match[str], taken: list[tuple[str, int, int]]) -> bool:
    return any(start < found.end() and found.start() < end for _, start, end in taken)
