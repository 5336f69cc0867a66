"""What in a request no field of a memory call says, so that to do what the fields say would be wrong. Deterministic.

Rules:
    1. Exceptions and negations of a request to forget or list: "everything except Rome" has no field, and what is named
       is what is to stay.
    2. A request to forget with words for a time that no window was read from would forget at all times.
    3. What "it" is was said before, if at all.
    4. The newest of a topic: which ones they are is told by times that a search does not order by.
    5. A request to forget in another language than English is not looked up in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not understood, where it stands, and why it stands in the way."""

    start: int
    end: int
    reason: str


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_EXCEPTION = _rule(
    r"\b(?:except(?:ing|ions?)?|exclud(?:e|es|ing)|other than|apart from|aside from|besides|unless|save for|but|keep|"
    r"rather than|instead of|without|only if|as long as)\b"
)
_NEGATION = _rule(r"\b(?:not|never|nothing|none|no|nobody|neither|nor|\w+n['\u2019]t|unlike|non)\b")
# "Pretend I never said it", "do not keep": there the negation is the command.
_OWN_NEGATION = _rule(r"^\W*(?:\w+\W+){0,6}?(?:pretend|i (?:do not|don['\u2019]?t|no longer)|must not|should not)\b")
_NAMELESS = _rule(r"\s*(?:it|this|that|them|these|those|him|her|so|one|stuff)(?:\s+(?:all|now|please|again))*\W*$")
_TIME = _rule(
    r"\b(?:older|newer|earlier|later) than\b|\b(?:before|after|since|until|till|ago)\b|"
    r"\b(?:\d+|two|three|four|five|six|seven|ten|few|couple of) (?:minute|hour|day|week|month|year)s?\b"
)
# To forget, in the commands of languages that are often spoken; stems, for they are bent.
_ELSEWHERE = _rule(
    r"^\W*(?:(?:bitte|kannst du|por favor|s['\u2019]il (?:te|vous) pla[iî]t|per favore|alsjeblieft|пожалуйста)\W+)*"
    r"(?:vergiss|vergessen|vergesst|lösch\w*|entferne|oublie[rz]?|supprime[rz]?|efface[rz]?|olvid(?:a|e|ar|ad|en|alo)|borr(?:a|e|ar|ad|en)|"
    r"elimin(?:a|e|ar|are|iere|iert)|dimentica\w*|cancella\w*|esque[cç]\w+|apag(?:a|ue|ar)\w*|vergeet|verwijder\w*|wis|zapomn\w*|usuń|"
    r"glöm|radera|slett|glem|unut\w*|забудь\w*|удали\w*|сотри\w*|забути|видали\w*|انس\w*|احذف\w*)\b"
    r"|忘记|忘掉|忘れ|刪除|删除|削除|消して|잊어|삭제|지워|भूल जा|हटा"
)


def doubt_to_forget(text: str, begins: int, *, timed: bool) -> Doubt | None:
    """Return what stands in the way of forgetting what a request names, or None.

    Args:
        text: The request; hints are blanked out of it.
        begins: Where it goes on after the command.
        timed: Whether a window of time was read from it.
    """
    found = _NAMELESS.match(text, begins)
    if found is not None:
        return Doubt(begins, found.end(), "what is meant by it is not told")
    doubt = doubt_to_list(text, begins)
    if doubt is not None or timed:
        return doubt
    found = _TIME.search(text, begins)
    return None if found is None else Doubt(found.start(), found.end(), "a time that is not understood")


def doubt_to_list(text: str, begins: int) -> Doubt | None:
    """Return what stands in the way of listing what a request names, or None."""
    found = _EXCEPTION.search(text, begins)
    if found is not None:
        return Doubt(found.start(), found.end(), "an exception, which is not understood")
    found = _NEGATION.search(text, begins)
    if found is not None and _OWN_NEGATION.match(text) is None:
        return Doubt(found.start(), found.end(), "a negation, which is not understood")
    return None


def forgets_elsewhere(text: str) -> Doubt | None:
    """Return where a request to forget in another language than English says so, or None."""
    found = _ELSEWHERE.search(text)
    if found is None:
        return None
    return Doubt(found.start(), found.end(), "seems to ask to forget; requests are understood in English")
