"""Says plainly what sentences say politely, before they are cut into clauses.

Who would name a dish, or thinks so, likes it; what is asked and answered at once is told; "home is" is "my home is".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_rules import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHORT_ANSWER = 3
# "If I had to pick one dish, it would be ramen": what would be picked is liked best.
_PICKED = re.compile(
    r"^If (?P<subject>I|we|you ask(?:ed)? me|(?:(?:you|one) (?:asks?|asked) "
    r")?[A-Z]\w+(?: [A-Z]\w+)?)\b[^,]*?\b(?:one|a|any) (?:single |favourite )?"
    r"(?P<noun>[a-z]{3,})\b[^,]*, (?:it|that|it'd|that'd|I|he|she|they)(?:'d|"
    r" would)?(?: (?:be|have to be|choose|pick|take|is|go for|say))+ "
    r"(?P<value>[^,.!]+)"
)
_FOR_ME = re.compile(r"^If you ask me,")
# A heading names who is meant: "Update on Ann Lee".
_ON = re.compile(
    rf"^[A-Z]?[a-z]+(?: [a-z]+)? (?:on|about|regarding) (?P<name>{NAMED}): (?:the|his|her|their) (?=[a-z ]+ is )"
)
# "My favourite dish? Ramen."
_ASKED = re.compile(r"^(?P<what>(?:My|Our|The|[A-Z]\w+(?: [A-Z]\w+)?'s) [a-z -]{3,40})\?$")
_IT_IS = re.compile(r"^(?:(?:it|that)(?: is|'s|'d be| would be| has to be| must be)|definitely|easily) ", re.IGNORECASE)
_WOULD_BE = re.compile(r"((?:\b[Mm]y|'s) [a-z]+(?: [a-z]+){0,2}) would be\b")
_TASTE = re.compile(r"\b(?:favou?rite|best|most|any other|no other|above all)\b")
_POLITE = re.compile(
    r"\b(?:I|[Ww]e) (?:think|guess|believe|suppose)(?: that)? (?=\S+ "
    r")|'d (?=(?:choose|pick|take|eat|order|always|go for)\b)|\bwould "
    r"(?=(?:name|pick|choose|call|always)\b)|\bcould (?=(?:eat|live|have)\b)"
)
# Who says that something is the best likes it best.
_SAYS = re.compile(rf"^(?P<name>{NAMED}) (?:now |always |often )?says (?:that )?(?=(?:the )?\S+(?: \S+)? is )")
# "Home is Lyon": one's own.
_OWN_THING = re.compile(r"^(?:Home|Work|Bedtime)(?= (?:is|has)\b|'s )|^The family (?=(?:car|home|house|doctor)\b)")
_OF_ALL = re.compile(
    r"^(?:Of|Among|Out of) (?P<all>all (?:the |other "
    r")?[a-z]+)\b[^,A-Z]*?(?: I know| there are)?, (?P<rest>[^,]+?)[.!]*$"
)


def answered(some: Sequence[str]) -> Iterator[str]:
    """Yield sentences; those that ask and answer at once, "My favourite dish? Ramen", as one."""
    asked = ""
    for sentence in some:
        found = _ASKED.match(sentence)
        answer = _IT_IS.sub("", sentence)
        if asked and len(answer.split()) <= _SHORT_ANSWER and not found:
            yield f"{asked} is {answer}"
        else:
            yield sentence
        asked = found["what"] if found else ""


def plainly(sentence: str, *, speaker: bool) -> str:
    """Return a sentence without the politeness of tastes: who would name a dish, or thinks so, likes it."""
    plain = _ON.sub(r"\g<name>'s ", _FOR_ME.sub("For me,", _PICKED.sub(_liked, sentence)))
    plain = _OF_ALL.sub(r"\g<rest> of \g<all>.", _WOULD_BE.sub(r"\1 is", plain))
    if _TASTE.search(plain):
        plain = _POLITE.sub("", plain)
        if says := _SAYS.match(plain):
            rest = plain[says.end() :].rstrip(".!")
            plain = f"{rest[:1].upper()}{rest[1:]}, for {says['name']}."
    return (
        _OWN_THING.sub(lambda found: "My " + found[0].lower().removeprefix("the family "), plain) if speaker else plain
    )


def _liked(found: re.Match[str]) -> str:
    subject = found["subject"]
    whose = "My" if subject.startswith(("I", "we", "you")) else f"{subject.rpartition('asks ')[2]}'s"
    return f"{whose} favourite {found['noun']} is {found['value']}"
