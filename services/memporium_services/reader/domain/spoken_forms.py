"""Tells in order what parts of a spoken sentence say of what was named before; see `spoken`."""

# ruff: noqa: SIM905 - lists of words
from __future__ import annotations

import re

from memporium_services.reader.domain.claim_words import RELATIVES

SUBJECT = r"(?:I|we|he|she|they|it|you|my|our|his|her|their|the|there|that|this|somebody|someone|[A-Z][\w']*)\b"
VERB = (
    r"(?:is|am|are|was|has|have|had|got|gets?|took|takes?|goes|go|went|works?|worked|lives?|drives?|runs?|joined|"
    r"started|"
    r"moved|changed|switched|swapped|bought|reports?|uses?|sees?|orders?|became|been|settled|signed|landed|picked|"
    r"told|said|can|could|might|should|will|would|must|seems?|grows|prefers?|still|never|always|usually|basically|"
    r"chose|wants?|parks?|stud(?:y|ies)|plays?|stays?|retrained|quit|sold|traded|replaced|opens?|takes? the)"
)
# What is denied, over, wanted or offered gives no value.
_DENIED = re.compile(
    r"\b(?:not|never|no longer|used to|without|neither|nor|(?<!'ve )(?<!has )(?<!have )had(?! to\b)|almost|nearly|"
    r"(?:was|were)(?! (?:given|moved|assigned|put|transferred|switched|chosen)\b)|want\w*|need\w*|ask\w* for|"
    r"offer\w*|"
    r"looking for|refus\w*|declin\w*|reject\w*|gave up|given up|lost|former|ex-\w+|old one)\b|n't\b",
    re.IGNORECASE,
)
_MOST_WORDS = 3
_SPEAKERS = frozenset({"I", "We", "we"})
_EXACTLY = re.compile(r"(?:now )?(?:an? )?(?:[A-Z]|\S*[\d@])")
_NO_NAME = (
    r"(?!(?:Last|Next|This|That|These|Every|On|At|In|From|With|For|Hi|Hey|Hello|Thanks|Thank|Dear|Yes|No|Oh|Wow|"
    r"Well|My|Our|The|"
    r"And|But|So|I|We|He|She|They|When|Since|After|Before|If|As|Did|Is|Was|Also|Now|New|Happy|Good|Great)\b)"
)
NAME = rf"(?:Project [A-Z][\w-]+(?: \d+)?|{_NO_NAME}[A-Z][\w-]+(?: (?:de |van |von )?[A-Z][\w-]+)+)"
_CODE = r"[A-Za-z]{0,2}\d+[A-Za-z]?(?![\w:.,-]*\d)"
_EXACT = rf"(?:(?:the )?{NAME}|[a-z]{{3,}}\d+|{_CODE}|\S+@\S+\w|\+?\d[\d ()/-]{{5,}}\d)"
_STOP = (
    r"(?!(?:and|or|but|the|an?|is|are|was|were|has|have|had|went|took|got|gave|left|came|broke|died|quit|said|"
    r"told|to|in|on|at|"
    r"by|for|of|from|with|over|since|because|so|that|who|which|when|while|after|before|again|any|no|not|now|anymore|"
    r"would|will|can|could|should|did|does|do|wasn|isn|doesn|didn|hasn|aren|weren|haven|won|couldn|just|really|"
    r"old|new|own|up|out|off|down|back|ran|fell|knew|"
    r"one|ones|way|it|you|me|him|her|them|us|my|our|his|their|\w+ed|\w+ing|\w+ly)\b)"
)
_WORD = rf"{_STOP}[a-z\u00e0-\u00ff-]{{3,}}"
NOUN = rf"(?:[a-z]+ing (?=[a-z]))?{_WORD}(?: {_WORD})?"
_OWNER = rf"(?:[Mm]y|[Oo]ur|{NAME}'s)"
SORT = r"(?:(?:new|old|current|usual|own|real|actual|previous|other|different|bigger|smaller|dear) )*"
# "Eva Klein, that's my physio", "18, which is Ann Lee's plot", "Eva Klein, she's the godmother of Ann Lee".
_THAT_IS = re.compile(
    rf"(?P<value>{_EXACT})(?:(?:,| and)? (?:is|which is|who's|who is|it's|it is|they're)|"
    rf"(?: [a-z][a-z ]{{2,24}})?(?:, (?:and )?| and )(?:that's|that is|she's|she is|he's|he is)) (?:also |now )?"
    rf"(?:(?P<owner>{_OWNER}) {SORT}(?P<noun>{NOUN})|"
    rf"the {SORT}(?P<of>{NOUN}) (?:of|for|to) (?P<name>{NAME}|[Mm]y (?P<thing>{_WORD})))(?!'s)\b"
)
# "We stay with Eva Klein over Easter, my godmother, ..."; "she sees Eva Klein, a physio".
_BEING = re.compile(
    rf"(?P<value>{NAME})(?!'s)(?: [A-Za-z ]{{2,24}})?, (?P<owner>{_OWNER}) {SORT}(?P<noun>{NOUN})(?=,|"
    rf"\W*$)(?!,? and (?:my|the|[A-Z]))"
)
_SEEN = re.compile(
    rf"\b(?:sees?|seeing|goes to|go to|going to|I'm with|is with|visits?|went to|has|have|I've got|"
    rf"uses?) (?P<value>{NAME}), (?:an?|the|his|her|their) "
    rf"{SORT}(?P<noun>{NOUN})(?=,|\W*$| (?:on|in|at|by|near|from|every)\b)"
)
# "Put 555-0101 down as my number": what is to be written is so.
_PUT = re.compile(
    rf"\b(?:put|use|add|list|enter|write|note|save|take) (?:down )?(?P<value>{_EXACT}) (?:down )?(?:as|"
    rf"for) (?P<owner>{_OWNER}|the) {SORT}"
    rf"(?P<noun>{NOUN})(?: (?:of|for) (?P<name>{NAME}))?(?!'s)\b"
)
# "My physio, Eva Klein, ...", "Ann Lee's godmother Eva Klein is ..."
_NAMELY = re.compile(
    rf"(?P<owner>\b{_OWNER}) {SORT}(?P<noun>{NOUN})(?:,| is called|'s called)? (?P<value>(?:the )?{NAME}|"
    rf"(?<=, )(?:number )?{_CODE})(?!'s)(?=[,.!?]|\W*$| (?:is|was|has|and|told|said|over|at|on|for)\b)"
)
# What was named before as something that somebody has: "changed physios", "my old locker", "another bay".
_NAMED_BEFORE = re.compile(
    rf"(?:\b(?:[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir|[A-Z][\w-]+'s) {SORT}|\b(?:an?|another|the|The) (?:new|old|"
    rf"different|previous|other|"
    rf"bigger|smaller|better)(?: \w+er)? |\b[Tt]he (?:old|new) |^[Nn]ew |"
    rf"\b(?:changed?|changing|switch(?:ed)?|switching|swap(?:ped)?|swapping) )(?P<noun>{NOUN})"
)
_NOW = r"(?: (?:now|instead|these days|from now on|from here on|at the moment|since .{3,30}|any ?more))*"
_IT = re.compile(
    rf"^(?:now )?(?:it's|it is|it has to be|the (?:new|right|correct|current) one(?:'s| is)|this is) (?:now |"
    rf"actually )?(?P<value>.+?){_NOW}[.!]*$"
)
_HAS = re.compile(
    rf"^.*?\b(?:has|have|got|took|was given|been given|is|use|uses|am|I'm|I've|joined|go to|goes to|see|"
    rf"sees) (?:now )?(?:on |with |at |in |to )?(?P<value>{_EXACT}){_NOW}[.!]*$"
)
_BEGINS = re.compile(rf"^(?P<name>{NAME}|I|[Ww]e)(?:(?P<whose>'s)|(?=(?:'m|'ve|'re)? [a-z]))(?! (?:and|or) [A-Z])")
_SPOKEN = re.compile(r"\b(?:I|[Mm]y|me|[Ww]e|[Oo]ur|I'm|mine)\b")
_ELLIPTIC = re.compile(rf"^(?:(?:now|then|also|just|finally) )*{VERB}(?= )")
_THE = re.compile(
    rf"^(?:the) (?P<noun>(?:(?:new|right|current) )?(?:favourite )?{NOUN}(?: address)?)(?: (?:at|for|"
    rf"of) {NAME}'s(?: \w+)?)? "
    r"(?P<rest>(?:is|has (?:changed|been changed|moved) to|changed to)(?: now)? (?P<value>.+))$"
)
_NUMBERED = re.compile(rf"^(?P<noun>[a-z]{{3,}}) (?:number )?(?P<value>{_CODE})$")
_PASSWORD = re.compile(rf"^[Tt]he (?P<noun>{_WORD}) (?:of|for) (?P<owner>{_OWNER}) (?P<thing>{_WORD}) is ")
# "Locker 18 at work": where something is, is no part of its number.
_BEHIND = re.compile(
    rf"(?P<told>^.*\b{_WORD},? (?:number )?{_CODE}) (?:at|on|in|by|near|beside|right|next|for|since|because|"
    rf"behind)\b.*$"
)
# "I got a new bay, A14", "she has another physio, Eva Klein".
_ANOTHER = re.compile(
    rf"(?:\b(?:an?|another) |(?P<bare>^|, ))(?:(?:[Nn]ew|different|other|bigger|smaller|better) )+?(?P<noun>{NOUN})"
    rf"(?: (?:now|these days|btw|by the way|since (?:this |last |the )?\w+))*, (?P<value>{_EXACT})(?!'s)(?=[,.!]|"
    rf"\W*$)|"
    rf"\banother (?P<noun2>{NOUN}), (?P<value2>{_EXACT})(?!'s)(?=[,.!]|\W*$)"
)
# "I go to Eva Klein for physio".
_FOR = re.compile(
    rf"^(?:{NAME}|I|We|we) (?:(?:now|still|always|usually) )*(?:goes to|go to|sees?|is seeing|am seeing|"
    rf"has been seeing) (?P<value>{NAME}) for "
    rf"(?:(?:his|her|their|my) )?(?P<noun>{_WORD})$"
)
# "My things are in locker 18", "she is down for plot 9".
_COUNTED = re.compile(
    rf"^(?:{NAME}(?!'s)|I|We|we|(?:I|We|we)'(?:m|ve|re)|[Mm]y (?:stuff|things)|[Tt]hey)\b (?:[a-z]+ly |now |"
    rf"still |always |just )*"
    r"(?:is|am|are|has|have|had to|got|took|takes?|uses?|parks?|sits?|keeps?|stores?|(?:was|were|been|"
    r"got) (?:given|moved|assigned|put|transferred|switched)|"
    r"moved|switched|swapped|changed|given|been|down|in) (?:[a-z]+ ){0,4}?"
    rf"(?:(?:in|to|for|has|have|had|got|given|took|into) )?(?:(?:my|the|his|her|their) )?"
    rf"(?P<noun>{_WORD}),? (?:number )?(?P<value>{_CODE})(?=,|\W*$| (?:at|on|in|by|near|beside|right|next|for|"
    rf"since|because|now|instead|these)\b)"
)
# Somebody else who belongs to the speaker: what that one has is not the speaker's.
_ANOTHERS = re.compile(
    rf"\b(?:[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir) (?:[a-z]+ )?(?:{RELATIVES}|friend|neighbour|colleague|coworker|"
    rf"roommate|flatmate|buddy|mate)s?\b"
)
_NOT_COUNTED = frozenset(
    "about almost nearly around over under least most another only exactly roughly maybe chapter page episode season "
    "level part grade week day year step round game version top age verse act scene number last first next line".split()
)
_OTHER_SUBJECT = re.compile(rf"^(?:{SUBJECT}|[A-Z])")


def in_order(parts: list[str], *, speaker: bool) -> list[str]:
    """Return what stands as an apposition, as sentences: "V, that's my boss"."""
    kept = ", ".join("\u2026" if _DENIED.search(part) else part for part in parts)
    found = []
    for one in _THAT_IS.finditer(kept):
        if one["thing"]:
            found.append(f"My {one['thing']} {one['of']} is {one['value']}.")
            continue
        owner = _own(one["owner"]) if one["owner"] else f"{one['name']}'s"
        found.append(f"{owner} {one['noun'] or one['of']} is {one['value']}.")
    found += [f"{_own(one['owner'])} {one['noun']} is {one['value']}." for one in _NAMELY.finditer(kept)]
    found += [f"{_own(one['owner'])} {one['noun']} is {one['value']}." for one in _BEING.finditer(kept)]
    for one in _PUT.finditer(kept):
        of = f"{one['name']}'s" if one["name"] else _own(one["owner"])
        if of != "the":
            found.append(f"{of} {one['noun']} is {one['value']}.")
    begins = _BEGINS.match(kept)
    owner = _owner(begins["name"] if begins else "", [kept], speaker=speaker)
    found += [f"{owner} {one['noun']} is {one['value']}." for one in _SEEN.finditer(kept) if owner]
    for one in _ANOTHER.finditer(kept):
        of = owner or ("My" if speaker and one["bare"] is not None else "")
        if of:
            found.append(f"{of} {one['noun'] or one['noun2']} is {one['value'] or one['value2']}.")
    return found


def _own(owner: str) -> str:
    return f"{owner[:1].upper()}{owner[1:]}" if owner[:2].lower() in {"my", "ou"} else owner


def with_subjects(parts: list[str], names: set[str], *, speaker: bool) -> list[str]:
    """Return the parts with the subject and the noun that stand before them."""
    found = []
    subject = owner = noun = ""
    for number, said in enumerate(parts):
        part = _PASSWORD.sub(lambda one: f"{_own(one['owner'])} {one['thing']} {one['noun']} is ", said)
        of = _owner(owner, parts[: number + 1], speaker=speaker)
        if number and subject and _ELLIPTIC.match(part):
            told = f"{subject} {part}"
        else:
            told = _whole(part, of, names, first=not number)
        begins = _BEGINS.match(told)
        if begins:
            subject, owner = "" if begins["whose"] else begins["name"], begins["name"]
            of = _owner(owner, [part], speaker=speaker)
        elif _OTHER_SUBJECT.match(told):
            subject = ""
        if not _DENIED.search(told):
            it = number and noun and of and (_IT.match(part) or _HAS.match(told))
            if it and len(it["value"].split()) <= _MOST_WORDS:
                found.append(_of(of, noun, it["value"]))
            found += _more(told, of) if of else []
        named = _NAMED_BEFORE.search(part)
        if named:
            noun = _one(named["noun"])
        behind = _BEHIND.match(told)
        found.append(f"{(behind['told'] if behind else told).rstrip('.!')}.")
    return found


def _whole(part: str, of: str, names: set[str], *, first: bool) -> str:
    """Return a part with the one whose "the" thing it tells of; without, where that is not clear."""
    the = _exactly(part)
    if not the:
        return part
    about = names - {the["value"].strip(".!")}
    whose = of if of != "My" else ""
    if not whose and len(about) == 1:
        whose = f"{next(iter(about))}'s"
    if not whose and not about and not first:
        whose = of
    return f"{whose} {the['noun']} {the['rest']}" if whose else part


def _more(told: str, owner: str) -> list[str]:
    """Return what is told of something that a part names in passing."""
    found = []
    if one := _FOR.match(told):
        found.append(f"{owner} {one['noun']} is {one['value']}.")
    counted = _COUNTED.match(told)
    if counted and counted["noun"] not in _NOT_COUNTED:
        found.append(f"{owner} {counted['noun']} is {counted['value']}.")
    return found


def _of(owner: str, noun: str, value: str) -> str:
    """Return that somebody's thing is a value; where that names the thing again, "plot 4", it is of this."""
    named = _NUMBERED.match(value)
    return f"{owner} {named['noun']} is {named['value']}." if named else f"{owner} {noun} is {value}."


def _owner(name: str, said: list[str], *, speaker: bool) -> str:
    """Return whose something is that is told with no owner: of who is named, else of the speaker."""
    if name and name not in _SPEAKERS:
        return f"{name}'s"
    words = " ".join(said)
    spoken = name or _SPOKEN.search(words)
    return "My" if speaker and spoken and not _ANOTHERS.search(words) else ""


def _exactly(part: str) -> re.Match[str] | None:
    """Return what a part tells of "the" thing, if that is a name, a number, or what is liked best."""
    the = _THE.match(part)
    return the if the and ("favourite" in the["noun"] or _EXACTLY.match(the["value"])) else None


def _one(noun: str) -> str:
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun
