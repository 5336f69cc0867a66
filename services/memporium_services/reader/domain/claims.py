"""Reads what statements assert: of whom, what of it, which value. By rules, without any model.

Rules:
    1. Every clause is read alone; see `clauses` for which there are.
    2. A clause must have one of the forms of `claim_rules` as a whole: what is not understood asserts nothing. So
       reading errs towards no claim, and facts without one never contradict anything.
    3. Trailing words (reasons, "now", "instead of") are no part of a value. A time is, where the attribute is one; else
       in a clause that tells of a change it is when the value came true.
    4. Forms that name an attribute which no list names (`claim_slots`) are tried last.
    5. Clauses that have none of the forms, but somebody and a value of a known shape, are left for reading by
       meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_rules import LISTENER, RULES, SPEAKER
from memporium_services.reader.domain.claim_shapes import readings_of
from memporium_services.reader.domain.claim_slots import SLOTS, habit_of, is_named
from memporium_services.reader.domain.claim_words import PROFESSIONS, attribute_of, normal, subject_of
from memporium_services.reader.domain.clauses import sentences_of, shared_parts
from memporium_services.reader.domain.dates import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memporium_services.reader.domain.claim_rules import Rule
    from memporium_services.reader.domain.claim_shapes import Reading

MOST = 16
_MOST_VALUE_CHARS, _MOST_VALUE_WORDS = 120, 10
_LATE = (
    r"(?:[,.!;:\s]+(?:now|these days|nowadays|at the moment|right now|currently|today|any ?more|any longer|instead|"
    r"again|already|for now|as well|too|by the way|actually|though|as usual|from now on|from today(?: on)?|"
    r"until further notice|very much|so much|a lot|lately|for ages|for years|for good|at last|"
    r"any ?time|all the time|at the (?:very )?latest|all (?:[\ue000\ue001]'s|his|"
    r"her|their) life|the most|best|these past \w+|after all|for [\ue000\ue001]))"
)
_LATE_ONLY = re.compile(rf"{_LATE}+$")
_TAIL = re.compile(
    rf"(?:{_LATE}|[,;]? (?:because|since|as of|starting|although|though|which|who|where|after|until|effective|due to|"
    r"thanks to|instead of|not|but|and (?:not|it|he|she|they|that)|with effect|ever since|"
    r"for (?:an? (?:good |long |little )?(?:while|time)|some time|(?:some|many) (?:months|years))|"
    r"for (?:about |over |almost |nearly )?(?:\d+|an?|two|three|four|five|six|seven|eight|nine|ten) "
    r"(?:days?|weeks?|months?|years?))\b.*|,\s.*|\s\(.*\))+$"
)
_ENDED = re.compile(r"\b(?:any ?more|any longer)\W*$")
_TIMELY = re.compile(r"(?:date|deadline|birthday|time|appointment|flight)$")
_OPEN_TIME = re.compile(r" (?:on|in|at|by|since|from|as of|back in|early|late|earlier|around|of)$")
# What begins so is no value but goes on about something else.
_NO_VALUE = re.compile(
    r"(?:not )?what (?:it|he|she) was\b|(?:named|called|chosen|discovered|overtaken|replaced|found|at|in|on|"
    r"with|for|to|from|by|as|than|about|of) |(?:it|who|which|that|this|he|she|they|these|those)$",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[a-z,] (?!I\b)[A-Z][a-z]+|[A-Z][a-z]+'s\b|[A-Z][a-z]+ [A-Z][a-z]+")
_PROPER = re.compile(r"(?:[Tt]he )?[A-Z\d]")
# What stands beside a place or a company is no part of its name.
_BESIDE = re.compile(r" (?:with|together|near|next to|close to|on the|by the|in the)\b.*$")
# Says how good somebody is at a job, and not which it is.
_SKILLED = re.compile(r"^(?:trained|qualified|certified|licensed|professional|full-time|part-time) ")
# "A flat in Oslo is where she lives".
_DWELLING = re.compile(
    r"^(?:an? |the )?(?:new |small |big |nice )?(?:flat|house|apartment|room|place|home) in (?=[A-Z])", re.IGNORECASE
)
_BEGINNING = re.compile(r"^(?:but|and|so|then|yet) ")
# A value that holds a clause of its own was cut at the wrong place.
_CLAUSE = re.compile(
    rf"^[{SPEAKER}{LISTENER}] [a-z]|[{SPEAKER}{LISTENER}] (?:is|has|was|will|can)\b|\b(?:mine|his|hers|theirs) is\b"
)
_APPOSITION = re.compile(rf"(?:[{SPEAKER}{LISTENER}]|.+?)'s [a-z\u00e9 ]+ ([A-Z].*)$")


# "I took up a post at Acme" has the form of a hobby, and tells more.
_WORKING = re.compile(
    r"\b(?:job|post|work|position|career|role|flat|house|apartment|company|place) ?(?:at|as|with|in|to|and|for|$)"
)
# What an address and a number look like; other words are none.
_SHAPED = {"email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "phone": re.compile(r"\+?\d[\d ()/-]{2,}\d")}
_PERSONS = frozenset({"manager", "spouse", "partner"})
_PERSON = re.compile(r"(?:(?:[A-Z][\w.'-]*|de|van|von|der|la|le|bin|al|of|the|and|from [A-Z]\w+) ?)+$")
# A name is where somebody works, and no profession, unless it holds one or is a title in capitals.
_COMPANY = re.compile(rf"(?!.*\b(?i:{PROFESSIONS})\b)[A-Z][a-z]+\w*$")
_UNSURELY = ("feeling about ", "hobby", "choice of ", "school")
# What stands before a name, or before a number, and is no part of it: "an old Volvo", "number 18".
_BEFORE = re.compile(r"^(?:(?:it|that) is |the (?=\d+$)|(?:number|no\.?) (?=\w*\d))", re.IGNORECASE)
_ADJECTIVES = re.compile(
    r"^(?:an? )?(?:(?:old|new|used|second-hand|brand-new|little|small|big|"
    r"red|blue|green|black|white|grey|silver|trusty|shiny|bright) )+(?=[A-Z])"
)


# What is said of a project's date is said of its deadline, and what it costs is what there is for it.
OF_PROJECTS = {
    "date": "deadline", "delivery date": "deadline", "end date": "deadline", "target date": "deadline",
    "cut-off": "deadline", "completion date": "deadline", "birthday": "deadline", "price": "budget",
    "salary": "budget", "rent": "budget", "funding": "budget",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """What a statement asserts; see `memporium.cube.v1.Claim`."""

    subject: str
    attribute: str
    value: str
    several: bool = False
    ended: bool = False
    start: datetime | None = None

    @property
    def key(self) -> str:
        """By what it is found: subject and attribute."""
        return f"{self.subject}/{self.attribute}"


@dataclass(frozen=True, slots=True)
class Read:
    """What was read in a text: what it asserts, and the clauses that no rule reads but that meaning may."""

    claims: tuple[Claim, ...]
    readings: tuple[Reading, ...] = ()


def claims_of(text: str, moment: datetime | None, *, speaker: str = "", listener: str = "") -> tuple[Claim, ...]:
    """Return what a text asserts by the rules alone, in order, at most 16; arguments as of `read`."""
    return read(text, moment, speaker=speaker, listener=listener).claims


def read(text: str, moment: datetime | None, *, speaker: str = "", listener: str = "") -> Read:
    """Return what a text asserts, in order, at most 16 claims and as many readings.

    Args:
        text: Any text.
        moment: When it was said, for words like "last week"; None: not known.
        speaker: Who "I" is; "": nobody.
        listener: Who "you" is; "": nobody.
    """
    found: dict[Claim, None] = {}
    readings: dict[Reading, None] = {}
    persons = {SPEAKER: speaker, LISTENER: listener}
    # Where somebody else is named, "call 555-0101" may mean to call them.
    alone = bool(speaker) and not _NAMED.search(text)
    for whole, cut in sentences_of(text, speaker=bool(speaker), listener=bool(listener)):
        told = _all_told(whole, moment, persons)
        found.update(dict.fromkeys(claim for claims, _ in told.values() for claim in claims))
        some = [clause for clause, (_, sure) in told.items() if not sure]
        if len(some) == len(told):
            # Nothing was read for sure of the sentence as it stands.
            spoken = _all_told(cut, moment, persons)
            more = [claim for claims, _ in spoken.values() for claim in claims]
            found.update(
                dict.fromkeys(claim for claim in more if not claim.attribute.startswith((*_UNSURELY, "number of ")))
            )
            some += [clause for clause, (_, sure) in spoken.items() if not sure]
        for clause in some:
            # Meaning may know a name for the attribute.
            for one in readings_of(clause, speaker=alone):
                subject, value = _subject(one.subject, persons), one.value
                if subject and value not in persons.values():
                    readings[replace(one, subject=subject)] = None
    return Read(tuple(found)[:MOST], tuple(readings)[:MOST])


def _all_told(
    clauses: Sequence[str], moment: datetime | None, persons: dict[str, str]
) -> dict[str, tuple[list[Claim], bool]]:
    """Return what each clause asserts by the rules, and whether one of them is sure to be all."""
    found = {}
    for clause in clauses:
        told = [_told(part, moment, persons) for part in shared_parts(clause)]
        found[clause] = [claim for claims, _ in told for claim in claims], any(sure for _, sure in told)
    return found


def _told(clause: str, moment: datetime | None, persons: dict[str, str]) -> tuple[list[Claim], bool]:
    """Return what a clause asserts by the rules, and whether that is all that it asserts."""
    named = _read(clause, RULES, moment, persons)
    # Who likes something "more than any other" says more than that.
    if named is not None and not named.attribute.startswith(_UNSURELY):
        return [named], True
    other = _read(clause, SLOTS, moment, persons) or _habit(clause, persons)
    if named is not None and other is not None and named.attribute == "school":
        # Who goes to "Eva Klein, the vet" goes to no school of that name.
        named = None
    return [claim for claim in (named, other) if claim is not None], False


def _habit(clause: str, persons: dict[str, str]) -> Claim | None:
    found = habit_of(clause)
    subject = _subject(found[0], persons) if found else ""
    return Claim(subject, found[1], found[2]) if found and subject and len(found[1]) <= _MOST_VALUE_CHARS else None


def _read(clause: str, rules: Sequence[Rule], moment: datetime | None, persons: dict[str, str]) -> Claim | None:
    whole = clause.strip().rstrip(".!")
    for text in dict.fromkeys((whole, _LATE_ONLY.sub("", whole), _TAIL.sub("", whole))):
        for rule in rules:
            match = rule.pattern.match(text)
            claim = match and _claim(rule, match, whole, moment, persons)
            if claim:
                return claim
    return None


def _claim(
    rule: Rule, match: re.Match[str], clause: str, moment: datetime | None, persons: dict[str, str]
) -> Claim | None:
    if any(_CLAUSE.search(match[name] or "") for name in ("value", "attribute") if name in match.groupdict()):
        return None
    if rule.attribute == "hobby" and _WORKING.search(match["value"] or ""):
        return None
    # Only the subject is resolved later; no mark of a person may stand in what is kept.
    groups = {
        name: words if name == "subject" else _with_names(words, persons) for name, words in match.groupdict().items()
    }
    value = rule.value or _trimmed(groups["value"])
    attribute, start = _attribute(rule, groups, value), None
    if not _TIMELY.search(attribute) and moment is not None:
        value, start = _without_time(value, clause, moment, event=rule.event)
    value = _BESIDE.sub("", value) if rule.proper else value
    subject = _subject(groups.get("subject", SPEAKER), persons)
    attribute = OF_PROJECTS.get(attribute, attribute) if subject.startswith("project ") else attribute
    attribute = "email" if attribute == "address" and "@" in value else attribute
    if attribute == "job":
        value = _SKILLED.sub("", value)
        of_company = f" is at {value}" in clause or f" is with {value}" in clause or _COMPANY.match(value)
        attribute = "employer" if of_company else attribute
    value = _DWELLING.sub("", value) if attribute == "home" else value
    if attribute in _SHAPED:
        shaped = _SHAPED[attribute].search(value)
        value = shaped[0] if shaped else ""
    if not subject or not _fits(rule, attribute, value, clause):
        return None
    ended = rule.ended or (_ENDED.search(clause) is not None and " not " in f" {clause} ")
    return Claim(subject, attribute, value, rule.several, ended, start)


def _attribute(rule: Rule, groups: dict[str, str], value: str) -> str:
    attribute = rule.attribute or groups["attribute"]
    if "{attribute}" in attribute:
        attribute = attribute.replace("{attribute}", normal(_trimmed(groups["attribute"])))
    if groups.get("whole"):
        attribute = f"{groups['whole']} {attribute}"
    if attribute == "choice":
        return "choice of " + " and ".join(sorted((normal(value), normal(_trimmed(groups["other"])))))
    return attribute_of(attribute)


def _fits(rule: Rule, attribute: str, value: str, clause: str) -> bool:
    """Say whether words can be a value of an attribute."""
    if not normal(value) or _NO_VALUE.match(value) or (rule.value and attribute.startswith("feeling about 0")):
        return False
    if attribute in _PERSONS and not _PERSON.match(value):
        return False
    if (attribute == "employer" and value.startswith("the ")) or (attribute == "job" and value.startswith("only ")):
        # A club is no employer, and the only driver of a car no driver by profession.
        return False
    if (rule.loose and not is_named(attribute, value, clause)) or (rule.proper and not _PROPER.match(value)):
        return False
    return max(len(value), len(attribute)) <= _MOST_VALUE_CHARS and len(value.split()) <= _MOST_VALUE_WORDS


def _subject(words: str, persons: dict[str, str]) -> str:
    named = _APPOSITION.match(words)
    plain = named[1] if named else words
    return subject_of(_with_names(plain, persons))


def _with_names(words: str, persons: dict[str, str]) -> str:
    for mark, name in persons.items():
        words = words.replace(mark, name)
    return words


def _trimmed(value: str) -> str:
    plain = _BEFORE.sub("", _BEGINNING.sub("", _TAIL.sub("", _BEFORE.sub("", value)).strip(" \"'.!,;:")))
    return _ADJECTIVES.sub("", plain)


def _without_time(value: str, clause: str, moment: datetime, *, event: bool) -> tuple[str, datetime | None]:
    """Return the value without a time at its end, and since when it is true, where a change is told with its time."""
    found = resolve(clause, moment)
    for one in found:
        if value.endswith(one.words) and value != one.words:
            value = _OPEN_TIME.sub("", value[: -len(one.words)].rstrip(" ,"))
    past = [one.start for one in found if one.start <= moment]
    since = event or any(f"{word} {one.words}" in clause for one in found for word in ("since", "as of"))
    return value.strip(" ,"), past[0] if past and since else None
