"""Cuts text into clauses that may assert something, with the speaker and the listener marked.

Rules:
    1. Questions, conditions, wishes, plans and guesses assert nothing, and neither does what somebody is said to have
       said: their sentences have no clauses.
    2. "I", "my", "we" become SPEAKER, "you" LISTENER where they are known. "He", "she", "they" at the beginning of a
       sentence become the one that the sentence before begins with, if it begins with a name.
    3. Words at the beginning that assert nothing are cut off: greetings, times, "scratch that", "update:".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_rules import LISTENER, NAMED, SPEAKER
from memporium_services.reader.domain.sentences import is_question, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    r"yesterday|reminder|note|heads up|for the record|sorry|great news|quick update|one more thing|i was wrong|"
    r"i misspoke|if you ask me|change of plans?|"
    r"(?:scratch|forget|ignore|never mind) (?:that|what i (?:just )?said(?: before| earlier| about [a-z ]+)?)|"
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
    (re.compile(r"(?<=[a-z])'s name is (?=[A-Z])"), " is "),
    (re.compile(r"\bfavorite\b", re.IGNORECASE), "favourite"),
    (re.compile(r"\bcolor\b"), "colour"),
)
_INSERTED = re.compile(
    r",? ?\b(?:as (?:you|we|everyone) (?:all )?knows?|of course|by the way|as mentioned|as i said|i must say)\b,?(?= )",
    re.IGNORECASE,
)
# Where another clause begins; also without "and": "my old one broke, I have a new one".
_BORDERS = (
    rf"\s*;\s+|,? (?:and|but|while|so)(?: now| then)? (?={SPEAKER}|{LISTENER}|[Hh]e |[Ss]he |[Tt]hey |"
    r"[A-Z]\w+(?: [A-Z]\w+)?(?:'s [a-z]+)? (?:is|has|now|lives|works|moved|took|became|replaced|joined|"
    r"no longer)\b)|\s+\u2014\s+|\s+-\s+|"
    rf", (?=(?:{SPEAKER}|{LISTENER})(?: |(?:'s [a-z]+(?: [a-z]+)? (?:is|are|has|was)\b)))"
)
_BORDER = re.compile(_BORDERS)
# "I have a new number, use 555-0101": where the sentence is about somebody by name, that one is to be called.
_OWN_BORDER = re.compile(rf"{_BORDERS}|, (?=(?:please )?(?:use|call|dial|text|write|email|ring) )")
_NAME_INSIDE = re.compile(r"[a-z,] (?!I\b)[A-Z][a-z]+")
# Two things said of one: "I quit and work at Acme now".
_SHARED = re.compile(
    rf"^(?P<subject>{NAMED}|[{SPEAKER}{LISTENER}]) (?P<first>[a-z].*?),? and (?:now |then |also )?"
    r"(?P<second>(?:is|works?|lives?|has|became|joined|moved|started|switched|drives?|reports?|took|accepted|bought|"
    r"picked up|went over)\b.*)$"
)
# Says when or why, before the clause that says what.
_OPENING = re.compile(
    r"^(?i:after|since|starting|from|following|before|due to|thanks to|with effect from|effective|as of) "
    r"[^,]{2,30}?(?:, | (?=[A-Z]\w+ [A-Z]))"
)
# Who may be reached may say in which case, before or behind: a condition of calling, not of the number.
_IN_CASE = re.compile(
    r"^If (?:you|anything|there|something)\b[^,]{2,50}, (?=.*(?:@|\d{3}))|"
    r"(?<=\d),? (?:if|in case|when(?:ever)?) you\b[^.]*\.?$"
)
_ANAPHOR = re.compile(r"^(?:(?P<whose>his|her|their)|he|she|they)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"^(?:(?P<whose>His|Her|Their)|He|She|They)\b")
_NAMED = re.compile(
    rf"(?P<name>{NAMED})(?:'s\b|,? (?:who|now|also|just|has|is|was|sold|bought|took|got|left|went|quit|became|"
    r"began|[a-z]+s|[a-z]+ed)\b)"
)


def clauses_of(text: str, *, speaker: bool, listener: bool) -> Iterator[str]:
    """Yield the clauses of a text, in order.

    Args:
        text: Any text.
        speaker: It is known who "I" is.
        listener: It is known who "you" is.
    """
    before = ""
    for sentence in sentences(text.translate(_QUOTES)):
        if len(sentence) > _MOST_CHARS or is_question(sentence):
            before = ""
            continue
        plain = _LEAD.sub("", _IN_CASE.sub("", _MARKUP.sub("", sentence).strip()))
        plain = _OPENING.sub("", plain)
        if before:
            plain = _PRONOUN.sub(lambda found: f"{before}'s" if found["whose"] else before, plain)  # noqa: B023
        plain = plain[:1].upper() + plain[1:]
        named = _NAMED.match(plain)
        before = named["name"] if named else ""
        if not _UNSURE.search(_IN_CASE.sub("", sentence)):
            border = _BORDER if named or _NAME_INSIDE.search(plain) else _OWN_BORDER
            yield from _parts(plain, border, speaker=speaker, listener=listener)


def _parts(plain: str, border: re.Pattern[str], *, speaker: bool, listener: bool) -> Iterator[str]:
    plain = _INSERTED.sub("", plain)
    for pattern, written in (
        *(_SPEAKER_WORDS if speaker else ()),
        *(_LISTENER_WORDS if listener else ()),
        *_WRITTEN_OUT,
    ):
        plain = pattern.sub(written, plain)
    named = _NAMED.match(plain)
    for number, part in enumerate(border.split(plain)):
        clause = _LEAD.sub("", part.strip())
        if number and named:
            clause = _ANAPHOR.sub(lambda found: f"{named['name']}'s" if found["whose"] else named["name"], clause)
        if clause:
            yield clause


def shared_parts(clause: str) -> tuple[str, ...]:
    """Return the two things that a clause says of one, each with who that is; one that says one thing as it is."""
    found = _SHARED.match(clause)
    if not found:
        return (clause,)
    return (f"{found['subject']} {found['first']}", f"{found['subject']} {found['second']}")
