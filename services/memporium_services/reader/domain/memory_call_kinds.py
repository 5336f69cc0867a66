"""What kind of request a text is: look up, keep, change, forget, list. The first rule that fits decides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class CallKind(StrEnum):
    """What is to be done."""

    RECALL = "RECALL"
    REMEMBER = "REMEMBER"
    UPDATE = "UPDATE"
    FORGET = "FORGET"
    LIST = "LIST"


@dataclass(frozen=True, slots=True)
class Told:
    """The kind, what it was told by, and what comes after that; `content`: what is to be kept."""

    kind: CallKind
    start: int
    end: int
    rest_start: int
    reason: str
    confidence: float
    content: str = ""


_COMMAND, _FORM, _STATEMENT, _GUESS = 0.95, 0.85, 0.6, 0.4
_POLITE = re.compile(
    r"^[\s,]*(?:(?:please|hey|ok|okay|so|well)\b[\s,]*)*"
    r"(?:(?:can|could|would|will) you (?:please )?|i(?:'d| would) like you to |i want you to |"
    r"i need you to )?(?:please\s+)?",
    re.IGNORECASE,
)


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_KEEP = _rule(
    r"(?:(?:do not|don't|never|dont) forget|remember|note|save|store|keep in mind|bear in mind|jot(?: (?:this|"
    r"it))? down|"
    r"write(?: (?:this|it))? down|log|record|memori[sz]e|make a note|take note|take a note|add (?:this |"
    r"it )?to (?:my |the )?memory|"
    r"for the record|fyi|for your information|be aware|commit (?:this|it|that) to memory|tell yourself|"
    r"keep a note|just so you know|you (?:should|ought to|need to|must) know|let it be known|"
    r"(?:i )?need you to (?:keep|remember|know|note)|make sure (?:to|you|that you) (?:remember|note|keep)|"
    r"keep (?:this|that)\b|"
    r"(?:put|enter|file|add)(?: it| this| that)? (?:in|into|on|to|under) (?:your|the|my) (?:notes?|memory|"
    r"memories|records?|file))\b"
    r"(?:\s+(?:this|the following))?(?:\s+(?:number|fact))?(?:\s+the fact)?\s*(?:[:,]|\bthat\b|"
    r"\bof the fact that\b|\bto(?= \w))?\s*"
)
_QUESTION_WORD = _rule(
    r"(?:when|where|who|whom|what|why|how|which|whether|if|the (?:time|day|night|place) (?:when|that|we|i))\b"
)
_FORGET = _rule(
    r"(?:forget|delete|erase|remove|wipe|purge|scrub|unlearn|drop|clear|destroy|get rid of|throw (?:away|out)|"
    r"stop remembering|"
    r"(?:do not|don't|dont) (?:remember|keep|store|save)|make sure (?:that )?nothing|nuke|trash|bin|discard|"
    r"lose (?=the |all |my |any)|(?:you )?(?:must not|mustn't|should not|shouldn't|may not) (?:keep|know|"
    r"remember|store)|pretend (?=.*\bnever\b)|expunge|dispose of|"
    r"let go of|i (?:do not|don't|no longer) want you to (?:keep|remember|know|store|have)|strike|"
    r"take (?=.+ out of (?:your|my|the) ))\b"
    r"\s*(?:out\s+)?"
)
_MUST_GO = _rule(
    r"\b(?:must|has to|have to|should|needs to) (?:go|be (?:deleted|forgotten|removed|erased|gone))\b|"
    r"\bout of (?:your|my|the) memory\b|"
    r"\bi want .+ (?:deleted|forgotten|removed|erased|gone)\b"
)
_SWAP = _rule(r"(?:swap|exchange)\s+(?P<what>.+?)\s+(?:for|with)\s+(?P<new>.+)")
_CHANGE = _rule(
    r"(?:update|change|set|modify|correct|fix|replace|switch|edit|amend|adjust|turn|overwrite)\s+(?P<what>.+?)"
    r"(?:\s+from\s+(?P<old>.+?))?\s+(?:to|with|into|so that it (?:reads|says|is)|to be)\s+(?P<new>.+)"
)
_MEND = _rule(r"(?:update|correct|fix|amend|change)\s+(?P<rest>.+?[:,]\s*.+)")
_CORRECTION = _rule(
    r"(?:correction|actually|from now on|update|no|in fact|scratch that|i was wrong|i meant|i mis(?:spoke|said)|"
    r"sorry|wait|rather|"
    r"(?:you|we) have .{1,40}? wrong|that(?:'s| is| was) (?:wrong|not right|a mistake))\b\s*[:,;.]\s*|actually\s+|"
    r"(?:as of|starting|from) (?:today|tomorrow|now|this \w+|next \w+)(?: on)?\b,?\s*"
)
_CHANGED = _rule(
    r"\b(?:no longer|not any ?more|any ?more\b|(?:is|are|am|i'm)(?: \S+){0,4} now\b|now (?:is|are)\b|(?:has |"
    r"have )?changed to|"
    r"switched (?:from .+ )?to|renamed to|instead of|it(?:'s| is) not .+ but\b|moved from .+ to)\b"
)
_OVERVIEW = _rule(r"(?:give me|show me|i need) (?:an? |the )?(?:overview|summary|short summary|gist)\b")
_LISTING = _rule(
    r"(?:list|enumerate|show(?: me)?|give me|display|print|count|dump|tell me (?:everything|"
    r"all))\b(?:\s+(?:me\b))?\s*"
    r"|what (?:all )?(?:do|does) (?:you|it|we) (?:know|remember|have) (?:about|of|on)\b\s*"
    r"|everything\b(?: (?:about|on|you know|we know))?\s*"
    r"|how many (?:memories|notes|facts|cubes|documents|entries|items)\b\s*"
    r"|(?:are|is) there (?:any|some) (?:memories|notes?|facts?|cubes|documents?|entries)\b\s*"
    r"|(?:the )?number of (?:memories|notes|facts|cubes|documents|entries)\b\s*|whatever (?:you|we) (?:hold|"
    r"have|keep|know) (?:on|about)\b\s*"
    r"|(?:which|what) (?:memories|notes|facts|cubes|documents|entries)\b\s*"
    r"|what (?:are|were) (?:all )?(?:the|my|our) (?:\w+ ){0,2}(?:memories|notes|facts|cubes|documents|entries)\b\s*"
    r"|what (?:have|has) (?:you|we) (?:got|stored|kept|saved|noted)(?: down)? (?:on|about)\b\s*|what (?:do|"
    r"does) (?:you|we) have (?:on|about)\b\s*"
    r"|what is (?:stored|kept|known|there) (?:on|about)\b\s*|let me (?:see|have)\b\s*|go through\b\s*|"
    r"walk me through\b\s*"
    r"|(?:all|any) (?:of )?(?:the |my |our )?(?:memories|notes|facts|cubes|documents|entries)\b\s*|"
    r"anything (?:on|about)\b\s*"
)
_ASK = _rule(
    r"(?:do you (?:still )?(?:remember|recall|know)|tell me|remind me(?: of)?|recall|find(?: me)?|"
    r"search(?: for)?|look up|look for|"
    r"i(?:'d| would) like to know|i want to know|let me know|summari[sz]e|sum up|compare|explain|describe|"
    r"briefly)\b[\s,]*"
)
_WH = _rule(
    r"(?:who|whom|whose|what|what's|which|where|when|why|how|did|does|do|is|are|was|were|has|have|had|can|could|"
    r"would|will|"
    r"should|might|am|may)\b"
)
_DECLARES = _rule(
    r"(?:i|we|he|she|they|it|you|my|our|his|her|their|the|a|an|this|that|there|nobody|"
    r"everyone)\b(?:'\w+)?\s+\S+\s+\S+"
)
_ENTRY = _rule(r"[^:?]{3,60}:\s+\S+")
_VERB = _rule(
    r"\b(?:is|are|was|were|am|be|has|have|had|will|would|can|must|should|does|did|do|i'm|it's|he's|she's|we're|"
    r"they're|"
    r"lives?|likes?|loves?|hates?|wants?|needs?|works?|owns?|told|said|got|went|bought|sold|met|\w{3,}ed|"
    r"prefers?|returns?)\b"
)


def told_kind(text: str) -> Told:
    """Return what kind of request a text is; hints are blanked out of it."""
    polite = _POLITE.match(text)
    at = polite.end() if polite else 0
    asks = text.rstrip().endswith("?")
    for rule in (_keeping, _forgetting, _changing, _listing, _asking, _stating):
        told = rule(text, at, asks)
        if told is not None:
            return told
    return Told(CallKind.RECALL, at, len(text), at, "words without a verb: they are looked up", _GUESS)


def _keeping(text: str, at: int, asks: bool) -> Told | None:  # noqa: FBT001 - one shape for all rules
    found = _KEEP.match(text, at)
    if found is None:
        return None
    rest = text[found.end() :]
    if found.group().lower().startswith("remember") and (asks or _QUESTION_WORD.match(rest.lstrip())):
        return Told(CallKind.RECALL, at, found.end(), found.end(), "asks whether it is remembered", _FORM)
    if asks:
        return None
    return Told(CallKind.REMEMBER, at, found.end(), found.end(), "asks to keep something", _COMMAND, statement(rest))


def _forgetting(text: str, at: int, asks: bool) -> Told | None:  # noqa: FBT001 - one shape for all rules
    found = _FORGET.match(text, at)
    gone = None if found is not None or asks else _MUST_GO.search(text, at)
    if gone is not None and _WH.match(text, at) is None:
        return Told(CallKind.FORGET, gone.start(), gone.end(), at, "says that something must go", _FORM)
    if found is None or (asks and text[:at].strip() == ""):
        return None
    return Told(CallKind.FORGET, at, found.end(), found.end(), "asks to forget something", _COMMAND)


def _changing(text: str, at: int, asks: bool) -> Told | None:  # noqa: FBT001 - one shape for all rules
    if asks:
        return None
    found = _CHANGE.match(text, at) or _SWAP.match(text, at)
    if found is not None:
        content = statement(f"{found['what']} is {found['new']}")
        return Told(
            CallKind.UPDATE, at, found.start("what"), found.start("what"), "asks to change something", _COMMAND, content
        )
    found = _MEND.match(text, at)
    if found is not None:
        place = found.start("rest")
        return Told(CallKind.UPDATE, at, place, place, "asks to correct something", _COMMAND, statement(found["rest"]))
    found = _CORRECTION.match(text, at)
    if found is not None:
        rest = statement(text[found.end() :])
        return Told(CallKind.UPDATE, at, found.end(), found.end(), "corrects what was said", _FORM, rest)
    found = _CHANGED.search(text, at)
    if found is not None and _LISTING.match(text, at) is None and _WH.match(text, at) is None:
        return Told(
            CallKind.UPDATE,
            found.start(),
            found.end(),
            at,
            "says that something is so no more",
            _STATEMENT,
            statement(text[at:]),
        )
    return None


def _listing(text: str, at: int, asks: bool) -> Told | None:  # noqa: ARG001, FBT001 - one shape for all rules
    found = _OVERVIEW.match(text, at)
    if found is not None:
        return Told(CallKind.RECALL, at, found.end(), found.end(), "asks for a summary", _COMMAND)
    found = _LISTING.match(text, at)
    if found is not None:
        return Told(CallKind.LIST, at, found.end(), found.end(), "asks for all that is kept", _COMMAND)
    return None


def _asking(text: str, at: int, asks: bool) -> Told | None:  # noqa: FBT001 - one shape for all rules
    found = _ASK.match(text, at)
    if found is not None:
        return Told(CallKind.RECALL, at, found.end(), found.end(), "asks for something", _COMMAND)
    found = _WH.match(text, at)
    if found is not None or asks:
        end = found.end() if found is not None else len(text)
        return Told(CallKind.RECALL, at, end, at, "is a question", _COMMAND if asks else _FORM)
    return None


def _stating(text: str, at: int, asks: bool) -> Told | None:  # noqa: ARG001, FBT001 - one shape for all rules
    if not any((_VERB.search(text, at), _DECLARES.match(text, at), _ENTRY.match(text, at))):
        return None
    return Told(CallKind.REMEMBER, at, len(text), at, "is a statement", _STATEMENT, statement(text[at:]))


def statement(text: str) -> str:
    """Return what is to be kept, without what stands around it."""
    return " ".join(text.split()).strip(" ,;:").rstrip(".!").rstrip()
