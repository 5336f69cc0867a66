"""Reads which claim a question asks for: of whom, what of it. By rules; other forms ask for none."""

from __future__ import annotations

import re

from memporium_services.reader.domain.claim_rules import SUBJECT
from memporium_services.reader.domain.claim_slots import habit_words
from memporium_services.reader.domain.claim_words import HEADS, attribute_of, subject_of

_S = rf"(?P<subject>{SUBJECT})"
_A = rf"(?P<attribute>favourite(?: [a-z-]+){{1,3}}?|(?:[a-z-]+ ){{0,2}}?(?:{HEADS})|[a-z-]+(?: [a-z-]+){{0,2}}?)"
_NOW = r"(?: (?:now|currently|today|these days|at the moment))?"
_LATE = r"(?: (?:now|currently|today|these days|at the moment))*"
_HOLDS = r"(?:have|use|take|catch|see|visit|go to|order)"
_FORMS = tuple(
    (re.compile(f"{pattern}{_LATE}$"), attribute)
    for pattern, attribute in (
        (rf"(?:What|Who|When|Where|Which \w+)(?: is|'s| are){_NOW} {_S}'s {_A}", ""),
        (rf"(?:What|Who|When|Where|Which \w+)(?: is|'s| are){_NOW} the {_A} (?:of|for) {_S}", ""),
        (rf"Where (?:does|is|do){_NOW} {_S} (?:live|living|reside|based)", "home"),
        (rf"(?:In )?(?:[Ww]hich|[Ww]hat) (?:city|town|place) (?:does|is) {_S} (?:live|living|based)(?: in)?", "home"),
        (rf"Where (?:does|is) {_S} (?:work|working|employed)", "employer"),
        (rf"(?:Who|Which company|What company) (?:does|is) {_S} (?:work|working|employed) (?:for|at|by)", "employer"),
        (rf"What does {_S} do(?: for a living)?", "job"),
        (rf"(?:Who|Whom) does {_S} report to", "manager"),
        (
            rf"(?:What|Which) (?P<attribute>[a-z-]+(?: [a-z-]+)?) does {_S} {_HOLDS}",
            "",
        ),
        (rf"(?:What|Which) (?P<attribute>[a-z-]+(?: [a-z-]+)?) is {_S} (?:in|with|at|a member of)", ""),
        (rf"(?:What|Which) car does {_S} drive", "car"),
        (rf"How old is {_S}", "age"),
        (rf"Who is {_S} married to", "spouse"),
        (rf"When is {_S} due", "deadline"),
        (rf"(?:What|Which) (?:school|university|college) does {_S} (?:attend|go to)", "school"),
        (rf"How much does {_S} cost", "price"),
    )
)
_COUNTING = frozenset({"number", "time", "choice", "feeling"})
_COUNTED = re.compile(rf"How many (?P<attribute>[a-z]+) (?:does|do) {_S} have$")
_SPELLED = (("favorite", "favourite"), ("color", "colour"), ("\u2019", "'"))


_HABIT = re.compile(
    rf"(?:When|What time|(?:At )?[Ww]hich (?P<what>[a-z-]+(?: [a-z-]+)?)|How (?:many|much) (?P<much>[a-z-]+)) "
    rf"(?:does|do|is) {_S} (?P<doing>[a-z].*)$"
)


def asked_keys(question: str) -> tuple[str, ...]:
    """Return the claims that a question may ask for: `asked_key`, and what somebody does at a time or by number."""
    key = asked_key(question)
    wider = (_wider(key),) if key and _wider(key) else ()
    found = _HABIT.match(" ".join(question.split()).rstrip("?!. "))
    if not found:
        return (key, *wider) if key else ()
    words = habit_words(" ".join(part for part in (found["what"], found["much"], found["doing"]) if part))
    subject = subject_of(found["subject"])
    habits = (f"{subject}/{attribute_of(f'{kind} of {words}')}" for kind in ("time", "number"))
    return (*((key,) if key else ()), *wider, *habits)


def _wider(key: str) -> str:
    """Return the key of what is told in fewer words: of a favourite dish as a favourite, of a parking bay as a bay."""
    subject, _, attribute = key.partition("/")
    if attribute.startswith("favourite "):
        return f"{subject}/favourite"
    first, _, rest = attribute.partition(" ")
    return f"{subject}/{rest}" if rest and " " not in rest and first not in _COUNTING else ""


def asked_key(question: str) -> str:
    """Return the subject and attribute that a question asks for, `ada/home`; "" where it asks for no such thing."""
    plain = " ".join(question.split()).rstrip("?!. ")
    for other, word in _SPELLED:
        plain = plain.replace(other, word)
    plain = plain[:1].upper() + plain[1:]
    for pattern, attribute in _FORMS:
        match = pattern.match(plain)
        if match:
            return f"{subject_of(match['subject'])}/{attribute_of(attribute or match['attribute'])}"
    match = _COUNTED.match(plain)
    return f"{subject_of(match['subject'])}/number of {match['attribute']}" if match else ""
