"""Hints in a request: persona, scope, kinds of memory, labels, number of results, form of the answer. Deterministic."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBERS = {
    name: number
    for number, name in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
}
_NUMBERS |= {"dozen": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100}
_N = r"(?P<value>\d{1,3}|" + "|".join(list(_NUMBERS)[1:]) + ")"
_ITEMS = r"(?:memories|notes|facts|cubes|documents|items|results|things|entries|conversations)"
_UNIT = r"(?:days?|weeks?|months?|years?|hours?|minutes?|weekends?)"


@dataclass(frozen=True, slots=True)
class Hint:
    """A field, its value, where it stands, whether it is no part of the request proper, and why."""

    field: str
    value: str
    start: int
    end: int
    cut: bool
    reason: str


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Field, pattern, fixed value ("": that of the group), whether it is cut out, reason.
_RULES: tuple[tuple[str, re.Pattern[str], str, bool, str], ...] = (
    (
        "persona",
        _rule(r"\b(?:as|in|under|from|with|for) my (?P<value>\w+) (?:persona|self|role|stream|hat)\b[\s,]*"),
        "",
        True,
        "a role of the caller",
    ),
    ("persona", _rule(r"^\s*as an? (?P<value>\w+)\s*,\s*"), "", True, "a role of the caller"),
    (
        "persona",
        _rule(r"\b(?:in|under|with) (?:the )?persona (?P<value>\w+)\b[\s,]*"),
        "",
        True,
        "a role of the caller",
    ),
    (
        "scope",
        _rule(r"\b(?:only )?(?:in |from |of )?my own (?:notes|memories|memory|vault)\b(?: for\b)?"),
        "OWN",
        True,
        "own memory",
    ),
    ("scope", _rule(r"\bnot (?:in|from) (?:the |any )?packs?\b"), "OWN", True, "own memory"),
    (
        "scope",
        _rule(r"\b(?:in|from|of) (?:the |my |our |all )?(?:[\w-]+ )?packs?\b[\s,]*"),
        "MOUNTED",
        True,
        "memory of others that is mounted",
    ),
    (
        "scope",
        _rule(r"\beverywhere\b(?: for\b)?|\bin (?:all|every) (?:memor(?:y|ies)|vaults?)\b"),
        "ALL",
        True,
        "all memory",
    ),
    ("types", _rule(r"\b(?:my |our |the |all )preferences\b"), "PREFERENCE", False, "a kind of memory"),
    ("types", _rule(r"\bskills\b"), "SKILL", False, "a kind of memory"),
    ("types", _rule(r"\bscenes?\b(?! of the)"), "SCENE", False, "a kind of memory"),
    ("types", _rule(r"\b(?:my|our|the|\w+'s) profiles?\b"), "PROFILE", False, "a kind of memory"),
    ("types", _rule(r"\b(?:documents|docs|files)\b"), "DOMAIN_KNOWLEDGE", False, "a kind of memory"),
    ("types", _rule(r"\b(?:conversations?|episodes|dialogues?|chats)\b"), "EPISODE", False, "a kind of memory"),
    ("types", _rule(r"\btool traces?\b"), "TOOL_TRACE", False, "a kind of memory"),
    ("types", _rule(r"\b(?:task )?prompts\b"), "TASK_PROMPT", False, "a kind of memory"),
    (
        "types",
        _rule(rf"\b(?:the|all|top|first|how many|{_N[11:-1]})\s+(?:\d+ )?facts\b"),
        "FACT",
        False,
        "a kind of memory",
    ),
    (
        "tags",
        _rule(
            r"\b(?:(?:that (?:are|is) )?(?:tagged|labelled|labeled)(?: as| with)?|(?:with|carry|carrying|"
            r"having|under) the (?:tag|label))"
            r" [\"']?(?P<value>[\w-]+)[\"']?"
        ),
        "",
        True,
        "a label",
    ),
    ("tags", _rule(r"(?<!\w)#(?P<value>[a-z][\w-]*)"), "", True, "a label"),
    (
        "limit",
        _rule(rf"\b(?:top|first|last|latest|newest|most recent|best)\s+{_N}\b(?!\s+{_UNIT})"),
        "",
        True,
        "a number of results",
    ),
    (
        "limit",
        _rule(rf"\b{_N}\s+(?:latest |newest |most recent |best |first |last )?(?={_ITEMS}\b)"),
        "",
        True,
        "a number of results",
    ),
    (
        "output",
        _rule(r"^\s*(?:how many\b|count\b)|\bnumber of (?:memories|notes|facts|cubes|documents|entries)\b"),
        "COUNT",
        False,
        "asks how many",
    ),
    (
        "output",
        _rule(
            rf"\b(?:latest|newest|most recent)\b|\bthe last (?:thing|time|note|memory|word)\b|"
            rf"\blast {_N.replace('?P<value>', '?:')} {_ITEMS}\b|^\s*what(?:'s| is) new\b"
        ),
        "LATEST",
        False,
        "asks for what is newest",
    ),
    (
        "output",
        _rule(
            r"\bsummari[sz]e\b|\bsum up\b|\b(?:overview|summary|gist) of\b|^\s*briefly\b|\bin (?:short|brief|"
            r"a nutshell)\b"
            r"|\bin (?:one|a|two|a few) (?:short )?(?:sentences?|words?|lines?)\b|\btl;?dr\b|"
            r"\bthe short version\b"
        ),
        "SUMMARY",
        False,
        "asks for a summary",
    ),
)


def hints_in(text: str) -> list[Hint]:
    """Return the hints of a request in the order of the rules; of one field, later ones in the text count."""
    found: list[Hint] = []
    for name, pattern, fixed, cut, reason in _RULES:
        for match in pattern.finditer(text):
            value = fixed or match["value"].lower()
            if name == "limit":
                value = str(_NUMBERS.get(value) or int(value))
            found.append(Hint(name, value, match.start(), match.end(), cut, reason))
    return found
