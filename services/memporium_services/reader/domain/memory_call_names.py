"""Names in a request, and whose words are sought. Deterministic.

A capitalised word is a name unless it is a word of grammar, a day or a month. A request is too short to tell names by
how they are written elsewhere in it, and begins with a capital whatever stands there: its first word is a name only
where the next one says so, for it is a verb of statements, or where something is its own ("Ana's").
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass

_TITLE = r"(?:Dr|Mr|Mrs|Ms|Prof|St)\."
_WORD = r"[A-Z][\w&+-]*"
_NAME = re.compile(rf"(?:{_TITLE}\s+)?{_WORD}(?:\s+(?:of\s+(?:the\s+)?)?{_WORD})*")
_CALENDAR = [name.lower() for names in (calendar.day_name, calendar.month_name) for name in names if name]
_WORDS = (
    "i i'm i'd i've i'll a an the and but or so if in on at it it's its we you he she they my your our their his "
    "her this that these those there here what what's who whom whose when where why how which whether is are was "
    "were be been am do does did has have had can could will would shall should may might must not no yes never "
    "don't dont always also just please hey ok okay well now actually correction since until till before after "
    "between from by for as of to with without about regarding during within over under into out up down all any "
    "some every everything anything nothing none each both only forget delete erase remove wipe purge scrub "
    "unlearn drop clear get throw stop make sure remember note save store keep bear jot write log record memorise "
    "memorize add take update change set modify correct fix replace switch edit amend adjust list enumerate show "
    "give display print count tell remind recall find search look summarise summarize sum compare explain "
    "describe briefly fyi one two three four five six seven eight nine ten let like want need christmas easter "
    "top first last latest next more most new old many much few several other another then than while because "
    "though however meanwhile maybe perhaps according swap exchange nuke trash scratch everyone nobody someone "
    "sorry wait once twice today tomorrow yesterday tonight lately recently destroy "
)
_NOT_NAMES = frozenset(_CALENDAR) | frozenset(_WORDS.split())
_SPEAKS = (
    r"(?:say|said|says|tell|told|mention(?:ed|s)?|promise[ds]?|write|wrote|written|ask(?:ed)?|note[ds]?|"
    r"report(?:ed|s)?|"
    r"suggest(?:ed)?|recommend(?:ed)?|claim(?:ed)?|announce[ds]?|explain(?:ed)?|answer(?:ed)?|warn(?:ed)?|"
    r"confirm(?:ed)?)"
)
_TOLD = r"(?:said|told|mentioned|promised|wrote|reported|suggested)"
_WHO = rf"(?P<who>(?:{_TITLE}\s+)?{_WORD}(?:\s{_WORD})?|[Ii]|you|she|he|they|we|my \w+)"
_SPEAKERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:[Dd]id|[Hh]as|[Hh]ave|[Hh]ad|[Dd]oes|[Dd]o) {_WHO} (?:ever |just |already |really )?{_SPEAKS}\b",
        rf"\b[Aa]ccording to {_WHO}",
        rf"\b(?:[Ww]hat|that|thing|things|everything|anything|all|whatever) {_WHO} (?:ever |just |once )?{_SPEAKS}\b",
        rf"\b{_WHO} (?:ever |once ){_SPEAKS}\b",
        rf"\b(?P<who>(?:{_TITLE}\s+)?{_WORD}) (?:also |just |already )?{_TOLD}\b",
        r"\b(?P<who>my|your|his|her) (?:own |exact |very )?words\b",
    )
)
_PRONOUNS = {"i": "me", "my": "me", "your": "you", "his": "he", "her": "she"}
# "Birthday of Clara" at the beginning: the first word is a word, and not a part of the name.
_NOUN_OF = re.compile(r"^\s*[A-Z][\w-]*\s+of\s+(?=[A-Z])")
_STATES = re.compile(
    r"\s+(?:is|was|has|had|will|would|can|can't|isn't|wasn't|doesn't|didn't|hasn't|won't|does|did|said|says|"
    r"told|lives?|likes?|"
    r"loves?|hates?|wants?|needs?|works?|prefers?|sends?|\w{3,}ed|and|or|\w{2,}s (?:to|in|at|on|her|his|the|a|"
    r"an|my|our)|[A-Z])\b|"
    r"['\u2019]s?\b"
)
_NUMBER_BEFORE = re.compile(r"\d\s*$")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose words: a name, `me`, or a pronoun; and where it stands."""

    value: str
    start: int
    end: int


def names_in_request(text: str, begins: int) -> list[tuple[str, int, int]]:
    """Return the names of a request with their places, in order, each place once; `begins`: after the command."""
    found = []
    noun = _NOUN_OF.match(text, begins)
    begins = noun.end() if noun is not None else begins
    for match in _NAME.finditer(text, begins):
        words = [(match.start() + one.start(), one.group()) for one in re.finditer(r"\S+", match.group())]
        while words and words[0][1].lower() in _NOT_NAMES:
            words.pop(0)
        while words and words[-1][1].lower() in _NOT_NAMES:
            words.pop()
        if words and not text[: words[0][0]].strip(" ,:;\"'(") and not _begins_with_name(text, *words[0]):
            words.pop(0)
        if not words or _NUMBER_BEFORE.search(text[: match.start()]):
            continue
        name = re.sub(r"['\u2019]s?$", "", " ".join(word for _, word in words))
        found.append((name, words[0][0], words[-1][0] + len(words[-1][1])))
    return found


def speaker_in(text: str) -> Speaker | None:
    """Return whose words a request seeks, or None."""
    for pattern in _SPEAKERS:
        found = pattern.search(text)
        if found is not None:
            who = found["who"]
            if (
                who.split()[0].lower() in _NOT_NAMES - {"i", "you", "she", "he", "they", "we", *_PRONOUNS}
                or who == "we"
            ):
                continue
            value = _PRONOUNS.get(who.lower(), who)
            return Speaker(value, found.start("who"), found.end("who"))
    return None


def _begins_with_name(text: str, start: int, first: str) -> bool:
    """Say whether the first word of a request is a name by what follows it."""
    if first.endswith("."):
        return True
    return _STATES.match(text, start + len(re.sub(r"['\u2019]s?$", "", first))) is not None
