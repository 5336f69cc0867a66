"""Reads what statements assert: of whom, what of it, which value. By rules, without any model.

Rules:
    1. Every clause is read alone; questions, conditions, wishes, plans and guesses assert nothing, and neither does
       what somebody is said to have said.
    2. "I", "my", "we" are the speaker, "you" the listener where there is just one; pronouns of third persons are left.
    3. A clause must have one of the forms of `claim_rules` as a whole: what is not understood asserts nothing. So
       reading errs towards no claim, and facts without one never contradict anything.
    4. Trailing words (reasons, "now", "instead of") are no part of a value. A time is, where the attribute is one; else
       in a clause that tells of a change it is when the value came true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_rules import LISTENER, RULES, SPEAKER
from memporium_services.reader.domain.claim_words import attribute_of, normal, subject_of
from memporium_services.reader.domain.dates import resolve
from memporium_services.reader.domain.sentences import is_question, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memporium_services.reader.domain.claim_rules import Rule

MOST = 16
_MOST_VALUE_CHARS, _MOST_VALUE_WORDS = 120, 10
# Longer sentences assert many things at once, and regular expressions take long over them.
_MOST_CHARS = 300
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})
_UNSURE = re.compile(
    r"\b(?:if|unless|maybe|perhaps|might|could|would|wish(?:es)?|hopes?|hoping|wants? to|planning|plans? to|going to|"
    r"gonna|thinking (?:of|about)|considering|probably|possibly|(?:i|we) (?:think|guess|believe|suppose|heard)|"
    r"not sure|allegedly|supposedly|apparently|rumou?r)\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:(?:well|so|oh|ok|okay|yes|yeah|no|nope|hey|hi|hello|btw|by the way|actually|update|correction|fyi|news|"
    r"big news|good news|guess what|just so you know|for your information|in fact|also|and|but|anyway|honestly|"
    r"as of (?:today|now|this week|this month|last week|last month)|"
    r"from now on|these days|nowadays|currently|right now|at the moment|recently|lately|now|today|"
    r"yesterday|reminder|note|heads up|for the record|sorry|great news|quick update|one more thing|"
    r"(?:last|this) (?:week|month|year|spring|summer|autumn|fall|winter|monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday)|(?:in|on|since) [^,]{3,30}(?=,))(?:[,:!.;]+| -+| \u2014)?|"
    r"(?:please )?(?:note|remember|be aware|keep in mind|know) that|it turns out(?: that)?|as it happens,?|"
    r"(?:i|we) (?:just )?(?:want(?:ed)? to|can|should|must|have to|need to)(?: just)? (?:tell you|say|confirm|mention|"
    r"note|add|let you know)(?: that)?|let me (?:tell you|add|note)(?: that)?)\s+)+",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"^[\s>#*\u2022+-]+(?=\S)|\*\*|__|`")
_SPEAKER_WORDS = (
    (re.compile(r"\b(?:I'm|I am|we're|we are)\b", re.IGNORECASE), f"{SPEAKER} is"),
    (re.compile(r"\b(?:I've|we've)\b", re.IGNORECASE), f"{SPEAKER} has"),
    (re.compile(r"\b(?:my|our)\b", re.IGNORECASE), f"{SPEAKER}'s"),
    (re.compile(r"\b(?:I|[Ww]e|me|us)\b"), SPEAKER),
)
_LISTENER_WORDS = (
    (re.compile(r"\b(?:you're|you are)\b", re.IGNORECASE), f"{LISTENER} is"),
    (re.compile(r"\byou've\b", re.IGNORECASE), f"{LISTENER} has"),
    (re.compile(r"\byour\b", re.IGNORECASE), f"{LISTENER}'s"),
    (re.compile(r"\byou\b(?! can)", re.IGNORECASE), LISTENER),
)
_WRITTEN_OUT = (
    (re.compile(r"\b(?:don't|doesn't)\b"), "does not"),
    (re.compile(r"\b(?:isn't|aren't)\b"), "is not"),
    (re.compile(r"\b(?:can't|cannot)\b"), "can not"),
    (re.compile(r"\bfavorite\b", re.IGNORECASE), "favourite"),
    (re.compile(r"\bcolor\b"), "colour"),
)
_BORDER = re.compile(
    rf"\s*;\s+|,? (?:and|but|while|so) (?={SPEAKER}|{LISTENER}|[Hh]e |[Ss]he |[Tt]hey |"
    r"[A-Z]\w+(?:'s [a-z]+)? (?:is|has|now|lives|works|moved|no longer)\b)|\s+\u2014\s+|\s+-\s+"
)
_LATE = (
    r"(?:[,.!;:\s]+(?:now|these days|nowadays|at the moment|right now|currently|today|any ?more|any longer|instead|"
    r"again|already|for now|as well|too|by the way|actually|though|as usual|from now on|from today(?: on)?|"
    r"until further notice|very much|so much|a lot|lately|for ages|for years|for good|at last|"
    r"any ?time|all the time|the most|best|these past \w+|after all))"
)
_LATE_ONLY = re.compile(rf"{_LATE}+$")
_TAIL = re.compile(
    rf"(?:{_LATE}|[,;]? (?:because|since|as of|starting|although|though|which|who|where|after|until|effective|due to|"
    r"thanks to|instead of|not|but|and (?:not|it|he|she|they|that)|with effect|ever since|"
    r"for (?:about |over |almost |nearly )?(?:\d+|an?|two|three|four|five|six|seven|eight|nine|ten) "
    r"(?:days?|weeks?|months?|years?))\b.*|,\s.*|\s\(.*\))+$"
)
_ENDED = re.compile(r"\b(?:any ?more|any longer)\W*$")
_TIMELY = re.compile(r"(?:date|deadline|birthday|time|appointment|flight)$")
_OPEN_TIME = re.compile(r" (?:on|in|at|by|since|from|as of|back in|early|late|earlier|around|of)$")
# What begins so is no value but goes on about something else.
_NO_VALUE = re.compile(r"(?:at|in|on|with|for|to|from|by|as|than|about|of) ")
_PROPER = re.compile(r"(?:[Tt]he )?[A-Z\d]")
# A value that holds a clause of its own was cut at the wrong place.
_CLAUSE = re.compile(rf"[{SPEAKER}{LISTENER}] (?:is|has|was|will|can)\b")
_APPOSITION = re.compile(rf"(?:[{SPEAKER}{LISTENER}]|.+?)'s [a-z\u00e9 ]+ ([A-Z].*)$")


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


def claims_of(text: str, moment: datetime | None, *, speaker: str = "", listener: str = "") -> tuple[Claim, ...]:
    """Return what a text asserts, in order, at most 16.

    Args:
        text: Any text.
        moment: When it was said, for words like "last week"; None: not known.
        speaker: Who "I" is; "": nobody.
        listener: Who "you" is; "": nobody.
    """
    found: dict[Claim, None] = {}
    for sentence in sentences(text.translate(_QUOTES)):
        if len(sentence) > _MOST_CHARS or is_question(sentence):
            continue
        for clause in _clauses(sentence, speaker=bool(speaker), listener=bool(listener)):
            claim = _read(clause, moment, speaker, listener)
            if claim is not None:
                found[claim] = None
    return tuple(found)[:MOST]


def _clauses(sentence: str, *, speaker: bool, listener: bool) -> Iterator[str]:
    if _UNSURE.search(sentence):
        return
    plain = _LEAD.sub("", _MARKUP.sub("", sentence).strip())
    plain = plain[:1].upper() + plain[1:]
    for pattern, written in (
        *(_SPEAKER_WORDS if speaker else ()),
        *(_LISTENER_WORDS if listener else ()),
        *_WRITTEN_OUT,
    ):
        plain = pattern.sub(written, plain)
    yield from (_LEAD.sub("", part.strip()) for part in _BORDER.split(plain) if part.strip())


def _read(clause: str, moment: datetime | None, speaker: str, listener: str) -> Claim | None:
    whole = clause.strip().rstrip(".!")
    for text in dict.fromkeys((whole, _LATE_ONLY.sub("", whole), _TAIL.sub("", whole))):
        for rule in RULES:
            match = rule.pattern.match(text)
            claim = match and _claim(rule, match, whole, moment, {SPEAKER: speaker, LISTENER: listener})
            if claim:
                return claim
    return None


def _claim(
    rule: Rule, match: re.Match[str], clause: str, moment: datetime | None, persons: dict[str, str]
) -> Claim | None:
    if any(_CLAUSE.search(match[name] or "") for name in ("value", "attribute") if name in match.groupdict()):
        return None
    # Only the subject is resolved later; no mark of a person may stand in what is kept.
    groups = {
        name: words if name == "subject" else _with_names(words, persons) for name, words in match.groupdict().items()
    }
    attribute = rule.attribute or groups["attribute"]
    if "{attribute}" in attribute:
        attribute = attribute.replace("{attribute}", normal(_trimmed(groups["attribute"])))
    attribute = attribute_of(attribute)
    value, start = rule.value or _trimmed(groups["value"]), None
    if attribute == "choice":
        other = _trimmed(groups["other"])
        attribute = "choice of " + " and ".join(sorted((normal(value), normal(other))))
    if not _TIMELY.search(attribute) and moment is not None:
        value, start = _without_time(value, clause, moment, event=rule.event)
    if _NO_VALUE.match(value) or (rule.value and attribute.startswith("feeling about 0")):
        return None
    if rule.proper and not _PROPER.match(value):
        return None
    if (
        not value
        or len(value) > _MOST_VALUE_CHARS
        or len(value.split()) > _MOST_VALUE_WORDS
        or len(attribute) > _MOST_VALUE_CHARS
    ):
        return None
    subject = _subject(groups.get("subject", SPEAKER), persons)
    if not subject or not normal(value):
        return None
    ended = rule.ended or (_ENDED.search(clause) is not None and " not " in f" {clause} ")
    return Claim(subject, attribute, value, rule.several, ended, start)


def _subject(words: str, persons: dict[str, str]) -> str:
    named = _APPOSITION.match(words)
    plain = named[1] if named else words
    return subject_of(_with_names(plain, persons))


def _with_names(words: str, persons: dict[str, str]) -> str:
    for mark, name in persons.items():
        words = words.replace(mark, name)
    return words


def _trimmed(value: str) -> str:
    return _TAIL.sub("", value).strip(" \"'.!,;:")


def _without_time(value: str, clause: str, moment: datetime, *, event: bool) -> tuple[str, datetime | None]:
    """Return the value without a time at its end, and since when it is true, where a change is told with its time."""
    found = resolve(clause, moment)
    for one in found:
        if value.endswith(one.words) and value != one.words:
            value = _OPEN_TIME.sub("", value[: -len(one.words)].rstrip(" ,"))
    past = [one.start for one in found if one.start <= moment]
    since = event or any(f"{word} {one.words}" in clause for one in found for word in ("since", "as of"))
    return value.strip(" ,"), past[0] if past and since else None
