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

from memporium_services.reader.domain.claim_rules import LISTENER, NAMED, SPEAKER, SUBJECT
from memporium_services.reader.domain.rewording import answered, plainly
from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.spoken import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer sentences assert many things at once, and regular expressions take long over them.
_MOST_CHARS = 300
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})
_UNSURE = re.compile(
    r"\b(?:if|unless|maybe|perhaps|might|could|would|wish(?:es)?|hopes?|hoping|wants? to|planning|plans? to|"
    r"going to(?! (?:bed|work|school|church)\b)|"
    r"gonna|thinking (?:of|about)|considering|probably|possibly|(?:i|we) (?:think|guess|believe|suppose|heard)|"
    r"not sure|allegedly|supposedly|apparently|rumou?r)\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:(?:well|so|oh|ok|okay|yes|yeah|no(?=[,:!.;])|nope|hey|"
    r"hi|hello|btw|by the way|actually|update|correction|fyi|news|"
    r"big news|good news|guess what|just so you know|for your information|in fact|also|and|but|anyway|honestly|"
    r"as of (?:today|now|this week|this month|last week|last month)|"
    r"from now on|these days|nowadays|currently|right now|at the moment|recently|lately|now|today|"
    r"yesterday|reminder|note|heads up|for the record|sorry|great news|quick update|one more thing|i was wrong|"
    r"i misspoke|if you ask me|change of plans?|as far as i know|to be honest|truth be told|believe it or not|fun fact|"
    r"hands down|for what it's worth|(?:i|we)(?:'d| would) (?:have "
    r"to )?say(?: that)?|(?:i|we) (?:have to|must) admit(?: that)?|"
    r"(?:scratch|forget|ignore|never mind) (?:that|what i (?:just )?said(?: before| earlier| about [a-z ]+)?)|"
    r"(?:last|this) (?:week|month|year|spring|summer|autumn|fall|winter|monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday)|(?:in|on|since) [^,]{3,30}(?=,))(?:[,:!.;]+| -+| \u2014)?|"
    r"(?:please )?(?:note|remember|be aware|keep in mind|know) that|(?:it )?turns out(?: that)?|as it happens,?|"
    r"(?:i|we) (?:just )?(?:want(?:ed)? to|can|should|must|have to|need to)(?: just)? (?:tell you|say|confirm|mention|"
    r"note|add|let you know)(?: that)?|let me (?:tell you|add|note)(?: that)?)\s+)+",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"^[\s>#*\u2022+-]+(?=\S)|\*\*|__|`")
_CONTRACTED = (
    "(?:(?:[Mm]y|[Oo]ur|"
    + SPEAKER
    + "'s) (?:[a-z]+ )?)(?:number|phone|mobile|cell|email|mail|address|home|place|flat|job|boss|manager|"
    "employer|company|car|name|dish|food|favourite)|[Hh]ome|[Ww]ork"
)
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
    (re.compile(r"\b([Ii]t|[Tt]hat|[Hh]e|[Ss]he|[Tt]here)'s\b"), r"\1 is"),
    (re.compile(r"\b([Tt]hey)'re\b"), r"\1 are"),
    (
        re.compile(
            rf"({_CONTRACTED})'s (?=(?:now|been|got|in|on|at|a|an|called|changed|moved|still|currently) |\S*\d|[A-Z])"
        ),
        r"\1 is ",
    ),
    (re.compile(r"(?<=[a-z])'s name is (?=[A-Z])"), " is "),
    # The family's car is one's own.
    # Whoever has a team is in it: its manager is theirs.
    (re.compile(r"'s (?:team|department|unit)'s (?=(?:new )?(?:manager|boss|leader|lead|head|supervisor)\b)"), "'s "),
    (re.compile(r"(?<=in charge of )(.+?)'s (?:team|department|unit)\b"), r"\1"),
    (
        re.compile(
            r"\bhas had (?:its|his|her|their) ([a-z]+) (cut|raised|changed|extended|increased|moved|reduced) to\b"
        ),
        r"has changed its \1 to",
    ),
    (re.compile(rf"(?<=[{SPEAKER}{LISTENER}]'s )family (?=(?:car|home|house|doctor|dentist|physician)\b)"), ""),
    (re.compile(r"\s*\bnow, (?=[A-Z\d])"), ", "),
    (re.compile(r"\bfavorite\b", re.IGNORECASE), "favourite"),
    (re.compile(r"\bcolor\b"), "colour"),
)
_INSERTED = re.compile(
    r",? ?\b(?:as (?:you|we|everyone) (?:all )?knows?|of course|by the way|as mentioned|as i said|i must say|"
    r"by far|hands down|without (?:a |any )?doubt)\b,?(?= )",
    re.IGNORECASE,
)
# Where another clause begins; also without "and": "my old one broke, I have a new one".
_BORDERS = (
    rf"\s*;\s+|,? (?:and|but|while|so)(?: now| then)? (?={SPEAKER}|{LISTENER}|[Hh]e |[Ss]he |[Tt]hey |"
    r"[A-Z]\w+(?: [A-Z]\w+)?(?:'s [a-z]+)? (?:is|has|now|lives|works|moved|took|became|replaced|joined|"
    r"no longer)\b)|\s+\u2014\s+|\s+-\s+|"
    rf", (?=(?:{SPEAKER}|{LISTENER})(?: |(?:'s [a-z]+(?: [a-z]+)? (?:is|are|has|was)\b)))|"
    r", (?=[A-Z]\w+(?: [A-Z]\w+)? (?:lives|works|drives|reports|is now|has moved)\b)|"
    rf":\s+(?=[^:]{{1,60}} (?:is|are|has|have|was|lives?|works?|drives?|took|moved|joined)\b)|"
    rf"(?:,| and|, and|, so|;) (?=(?i:the) (?:(?:new )?[a-z]+(?: [a-z]+)? "
    rf"is (?:now )?(?:in |at |on )?[A-Z\d]|favourite [a-z]+ is ))|"
    r",? (?:and |so |but )?(?=it (?:is|has)(?: now| been)? (?:due|got|been|to be|planned|extended|moved|postponed)\b)"
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
    r"^(?i:after|since|starting|from|following|before|due to|thanks to|with effect from|effective|as of|by|until|"
    r"at the|on the|in the|when) [^,]{2,40}?(?:, | (?=[A-Z]\w+ [A-Z]|"
    r" ?(?:I|we|my|our)\b(?!\w* (?:left|quit|moved|was|were))))|"
    r"^To [a-z][^,A-Z]{2,30}, "
)
# Who may be reached may say in which case, before or behind: a condition of calling, not of the number.
_IN_CASE = re.compile(
    r"^If (?:you|anything|there|something)\b[^,]{2,50}, (?=.*(?:@|\d{3}))|"
    r"(?<=\d),? (?:if|in case|when(?:ever)?) you\b[^.]*\.?$"
)
# Who tells a change in notes leaves "I" away: "Moved to Ghent last month".
_NO_SUBJECT = re.compile(
    r"^(?:(?:finally|just|recently|now) )?(?:moved|started|joined|"
    r"got|bought|switched|changed|settled|relocated|became|traded|"
    r"left|quit|sold|picked up|living|working|driving|based) (?!by\b)",
    re.IGNORECASE,
)
# "I changed physios, it is Eva Klein now": what "it" is was named before, and has the value.
_IT = re.compile(
    rf"^(?P<subject>{SUBJECT})(?:'s| [^,:;]*?(?:\b(?:his|her|their|the|"
    rf"an?|new|old|another|different|changed|switched|swapped|reset|"
    rf"replaced|moved)(?: (?:his|her|their|the|[{SPEAKER}{LISTENER}]'s))?|[{SPEAKER}{LISTENER}]'s)) "
    rf"(?:(?:old|new|current|different|previous|other) )*(?P<noun>[a-z-]+(?: [a-z-]+)?"
    r"(?:'s [a-z]+)?)(?: [^,;:]+)?[,;:] (?:and |so |but )?(?:now "
    r"|then )?(?:it|that|this) is (?:now )?(?P<value>[^,;]+)$"
)
# "..., the new teacher is Eva Klein": of the one that was named before.
_OWNERLESS = re.compile(r"^[Tt]he (?!new one\b)(?=(?:(?:new|favourite|current) )*[a-z]+(?: [a-z]+)? (?:is|has)\b)")
_HEADING = re.compile(rf"^(?:[A-Z]?[a-z]+ ){{1,3}}(?:on|about|from|for|regarding) (?P<name>{NAMED})$")
_IT_IS = re.compile(r"^it (?=is|has)")
_SPOKEN = re.compile(rf"^[{SPEAKER}{LISTENER}](?='s | )")
_ANAPHOR = re.compile(r"^(?:(?P<whose>his|her|their)|he|she|they)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"^(?:(?P<whose>His|Her|Their)|He|She|They)\b")
_NAMED = re.compile(
    rf"(?P<name>{NAMED})(?: and (?:the|his|her|their) [a-z]+)?(?:'s\b|,? (?:who|"
    rf"now|also|just|has|is|was|sold|bought|took|got|left|went|quit|became|"
    r"began|[a-z]+s|[a-z]+ed)\b)"
)


def sentences_of(text: str, *, speaker: bool, listener: bool) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield of each sentence its clauses, and those that it has when it is cut as it is spoken; see `spoken`.

    Args:
        text: Any text.
        speaker: It is known who "I" is.
        listener: It is known who "you" is.
    """
    before = ""
    for sentence in answered(sentences(text.translate(_QUOTES))):
        whole: tuple[str, ...] = ()
        earlier = before
        if len(sentence) > _MOST_CHARS or is_question(sentence):
            before = ""
        else:
            whole, before = _clauses(sentence, before, speaker=speaker, listener=listener)
        cut: list[str] = []
        for part in parts_of(_MARKUP.sub("", sentence).strip(), speaker=speaker):
            some, earlier = _clauses(part, earlier, speaker=speaker, listener=listener)
            cut += some
        yield whole, tuple(dict.fromkeys(one for one in cut if one not in whole))


def _clauses(sentence: str, before: str, *, speaker: bool, listener: bool) -> tuple[tuple[str, ...], str]:
    """Return the clauses of a sentence, and who it begins with."""
    bare = plainly(_MARKUP.sub("", sentence).strip(), speaker=speaker)
    plain = _LEAD.sub("", _IN_CASE.sub("", bare))
    if speaker and _NO_SUBJECT.match(plain):
        plain = f"I {plain[:1].lower()}{plain[1:]}"
    plain = _OPENING.sub("", plain)
    if before:
        plain = _PRONOUN.sub(lambda found: f"{before}'s" if found["whose"] else before, plain)
    plain = plain[:1].upper() + plain[1:]
    named = _NAMED.match(plain)
    begins = named["name"] if named else ""
    if _UNSURE.search(_IN_CASE.sub("", bare)):
        return (), begins
    border = _BORDER if named or _NAME_INSIDE.search(plain) else _OWN_BORDER
    return tuple(_parts(plain, border, speaker=speaker, listener=listener)), begins


def _parts(plain: str, border: re.Pattern[str], *, speaker: bool, listener: bool) -> Iterator[str]:
    plain = _INSERTED.sub("", plain)
    for pattern, written in (
        *(_SPEAKER_WORDS if speaker else ()),
        *(_LISTENER_WORDS if listener else ()),
        *_WRITTEN_OUT,
    ):
        plain = pattern.sub(written, plain)
    named = _NAMED.match(plain)
    told = _IT.match(plain.rstrip(".!"))
    if told:
        yield f"{told['subject']}'s {_one(told['noun'])} is {told['value']}."
    owner = named["name"] if named else ""
    for number, part in enumerate(border.split(plain)):
        clause = _LEAD.sub("", part.strip())
        if number and owner:
            if named:
                clause = _ANAPHOR.sub(lambda found: f"{owner}'s" if found["whose"] else owner, clause)  # noqa: B023
            clause = _OWNERLESS.sub(f"{owner}'s ", clause)
            if owner.startswith("Project "):
                clause = _IT_IS.sub(f"{owner} ", clause)
        if not owner:
            spoken = _HEADING.match(clause) or _SPOKEN.match(clause)
            owner = (spoken["name"] if spoken.re is _HEADING else spoken[0]) if spoken else ""
        if clause:
            yield clause


def _one(noun: str) -> str:
    """Return what somebody has, of whom it is said that there are others: "changed physios" is of a physio."""
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def shared_parts(clause: str) -> tuple[str, ...]:
    """Return the two things that a clause says of one, each with who that is; one that says one thing as it is."""
    found = _SHARED.match(clause)
    if not found:
        return (clause,)
    return (f"{found['subject']} {found['first']}", f"{found['subject']} {found['second']}")
