"""Cuts sentences as people speak them into what they assert: a reason, a request, a hedge are each of one part alone.

Rules:
    1. A sentence is cut at conjunctions, commas, dashes and colons. What is in brackets falls away.
    2. A question, a condition or a guess silences its own part; a comment behind ("..., I think.") the part before.
       What somebody else says, and what is only imagined, silences all that follows.
    3. A part without a subject has that of the part before: "Ann Lee left and is at Acme now".
    4. "It is V now" and "the new one is V" tell of what was named before; "V, that's my boss" is said in order.

Only sentences of which nothing is read as a whole are cut so.
"""

from __future__ import annotations

import re

from memporium_services.reader.domain.spoken_forms import NAME, NOUN, SORT, SUBJECT, VERB, in_order, with_subjects

_MOST_CHARS = 600
_MOST_PARTS = 12
_BORDER = re.compile(
    r"\s*;\s+|\s+(?:-+|\u2013|\u2014)\s+|\s*\u2014\s*|:\s+(?=\w)|\.\.\.+\s*|\u2026\s*|"
    r"(?<!\d),(?=\s)(?! [A-Z]\w+[.!?]*$)\s*|(?<=\d),\s+(?!\d{3}\b)|"
    r"\s+(?=(?:because(?! of)|cause|'cause|cos|cuz|although|though|but|whereas|unless|if) )|"
    rf"\s+(?=(?:since|so|as|while|when|where|whenever|until) {SUBJECT} )|"
    rf"\s+(?=(?:and|then|plus) (?:(?:now|then|also|so|just|have|has|finally) )*(?:{SUBJECT}|{VERB}) )"
)
_BRACKETS = re.compile(r"\s*\([^()]*\)")
# Words that join parts, and that open what is said in passing.
_JOINS = re.compile(
    r"^(?:(?:and|but|so|because(?! of)|cause|'cause|cos|cuz|although|though|whereas|plus|then|also|well|oh|ah|hmm|"
    r"ok|okay|btw|fyi|"
    r"anyway|anyways|yeah|yes|sure|right|lol|haha|honestly|luckily|sadly|thankfully|unfortunately|surprise|"
    r"funny enough|"
    r"it turns out(?: that)?|turns out(?: that)?|long story short|in the end|at the moment|by the way|after that \w+|"
    r"(?:i |we )?just (?:so you know|heard that|learnt that|found out that)|for (?:context|reference|the record)|"
    r"(?:just )?(?:a )?(?:quick|small|little|tiny) (?:one|note|update|thing|correction)|"
    r"(?:please )?(?:remind me|note(?: for [a-z ]{2,20}?)?|remember|mind|keep in mind|be aware) that|"
    r"(?:since|as|while)(?= (?:I|we|he|she|they|my|our|his|her|their|it|(?-i:[A-Z]\w+ [A-Z]\w+))\b)|"
    r"for the (?:[a-z]+ ){1,3}?(?=(?-i:[A-Z]\w+ [A-Z])))\b[,:!.]*\s*)+",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:(?:and|but|so|ok|then|please|now|by the way|btw) )*(?:can|could|would|will|should|shall|may|do|does|did|"
    r"is|are|was|"
    r"have|has|what|how|where|when|which|who|whom|whose|why|any (?:idea|ideas|tips|advice|chance|suggestions?)|right|"
    r"ok|okay|isn't|aren't|don't|doesn't|won't|can't|mind|got any|know any)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"^(?:(?:and|but|so|or|even|only|just) )*(?:if|unless|in case|when|whenever|once|as soon as|provided|assuming|"
    r"until|"
    r"before|after)\b",
    re.IGNORECASE,
)
# A condition of what the listener or somebody else may need is none of what is true.
_OF_OTHERS = re.compile(
    r"^(?:(?:and|but|so) )*(?:in case|when|whenever|after|before|(?:if|once|as soon as) (?:you|they|anyone|"
    r"anybody|someone|"
    r"somebody|anything|something|the|there)\b)",
    re.IGNORECASE,
)
# A guess that stands alone is one of the part before; at the beginning, of the part behind.
_GUESS = re.compile(
    r"^(?:or |but |and )?(?:(?:i|we) (?:think|guess|believe|suppose|hope|assume|reckon|hear|heard)|maybe|perhaps|"
    r"probably|"
    r"possibly|apparently|supposedly|allegedly|presumably|as far as (?:i|we) (?:know|can tell)|"
    r"not (?:quite )?sure(?: though)?|"
    r"(?:if )?(?:i|we) (?:remember|recall)(?: (?:right|correctly|rightly|well))?|if (?:i|we)(?:'m| am|'re|"
    r" are) not mistaken|"
    r"or so (?:i|we|they) .*|rumou?r has it|word is|i could be wrong|could be wrong|don't quote me.*|they say)\W*$",
    re.IGNORECASE,
)
_IMAGINED = re.compile(
    r"\b(?:imagin\w+|pretend\w*|suppose that|let's say|what if|as if|dream\w*|in (?:the|a|my) (?:book|novel|story|"
    r"game|movie|"
    r"film|show|series|song|play)|for (?:example|instance)|e\.g|hypothetically|joking|just kidding|wish\w*|"
    r"character)\b",
    re.IGNORECASE,
)
_OTHERS_WORDS = re.compile(
    r"^(?!(?:(?:and|but|so|because|as|like) )*(?:I|we)\b).*\b(?:says?|said|claims?|claimed|thinks?|thought|"
    r"believes?|believed|"
    r"reckons?|insists?|swears?|jokes?|joked|wrote|writes|tells?|told|asks?|asked)\b",
    re.IGNORECASE,
)
_TOGETHER = re.compile(
    r"(?<=[a-z]) and (?:(?:the|his|her|their|my|our) )?(?:whole )?(?:family|kids|children|wife|husband|partner|"
    r"girlfriend|"
    r"boyfriend|dog|cat)\b(?=,? [a-z])"
)
_AT = re.compile(rf"\b[Tt]he (?P<noun>{SORT}{NOUN}) at (?P<name>{NAME})'s(?: (?:place|house|home|flat))?(?= is\b)")
_FRONTED_BY = re.compile(
    r"(?:after|since|because|due|following|thanks|on|in|at|as|for|with|when|ever)\b", re.IGNORECASE
)
# When, where or why, before who it is of.
_FRONTED = re.compile(
    rf"^(?:After|Since|Because of|Due to|Following|Thanks to|On|In|At|As|For|With|When|Ever since|"
    rf"After all) (?:[a-z'-]+ ){{1,7}}?(?=(?:{NAME}(?:'s [a-z]+)? "
    rf"(?:now |usually |always )?{VERB}|(?:I|I'm|I've|my|we) |the {SORT}{NOUN} (?:of|for) (?:{NAME}|Project)|"
    rf"[a-z]+ is my ))"
)


def parts_of(sentence: str, *, speaker: bool) -> tuple[str, ...]:
    """Return what a sentence asserts, each part as a sentence; none where it cannot be cut.

    Args:
        sentence: With plain quotation marks.
        speaker: It is known who "I" is.
    """
    if len(sentence) > _MOST_CHARS or _IMAGINED.search(sentence):
        return ()
    whole = _TOGETHER.sub("", _BRACKETS.sub("", sentence).strip())
    whole = _AT.sub(r"\g<name>'s \g<noun>", whole)
    asserted = _asserted([part for part in _BORDER.split(whole) if part and part.strip()], asks=whole.endswith("?"))
    if not asserted:
        return ()
    names = set(re.findall(rf"(?<!is )(?<!called )({NAME})", whole))
    found = dict.fromkeys([*in_order(asserted, speaker=speaker), *with_subjects(asserted, names, speaker=speaker)])
    return tuple(one for one in found if one.rstrip(".!") != sentence.rstrip(".!"))


def _asserted(parts: list[str], *, asks: bool) -> list[str]:
    """Return the parts that assert something, without the words that join them."""
    if len(parts) > _MOST_PARTS:
        return []
    asked = next((index for index, part in enumerate(parts) if _QUESTION.match(part)), 0) if asks else len(parts)
    found: list[str] = []
    silent = False
    for part in parts[:asked]:
        if _GUESS.match(part):
            silent = not found
            found = found[:-1]
            continue
        plain = _JOINS.sub("", part).strip(" ,.!")
        fronted = _FRONTED_BY.match(plain) and _FRONTED.match(f"{plain[:1].upper()}{plain[1:]}")
        if fronted:
            plain = plain[fronted.end() :]
        elif _CONDITION.match(part):
            silent = not _OF_OTHERS.match(part)
            continue
        if silent and not part.startswith("but "):
            silent = False
            continue
        silent = False
        if plain:
            found.append(plain)
        if _OTHERS_WORDS.match(part):
            break
    return found
