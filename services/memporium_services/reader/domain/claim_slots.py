"""Forms of sentences that name an attribute which no list names.

"My tax adviser is", "the code of my bike lock is", "I get up at 6:30".

A noun with an article or a possessive stands for one thing, so two values of it contradict each other; but nearly any
noun can stand so, and most of what is said of it says how it is, not what. So the value must look like one: a name, a
number, or a short group of nouns without adjectives; and nouns that tell nothing lasting are left out.
"""

# ruff: noqa: SIM905 - lists of words
from __future__ import annotations

import re

from memporium_services.reader.domain.claim_rules import (
    ADVERBS,
    BE,
    CHANGED,
    HAS,
    LISTENER,
    SPEAKER,
    SUBJECT,
    Rule,
    rule,
)
from memporium_services.reader.domain.claim_words import RELATIVES, attribute_of
from memporium_services.reader.domain.terms import terms

_S = rf"(?P<subject>{SUBJECT})"
_SMALL = r"[a-z\u00e0-\u00ff]"
_NOUN = rf"(?:{_SMALL}[a-z\u00e0-\u00ff-]+ ){{0,2}}?{_SMALL}[a-z\u00e0-\u00ff-]+"
_N = rf"(?P<attribute>{_NOUN})"
_V = r"(?P<value>.+)"
_IS = rf"(?: (?:{BE}|has always been )|: )(?:called |named |at |on |in |number )?"
_OWN = rf"(?:his|her|their|its|the|[{SPEAKER}{LISTENER}]'s)"
_LIKES = r"(?:likes?|loves?|enjoys?|prefers?)"

# Takes or has something as something.
_HOLDS = (
    r"(?:has|have|had|uses?|using|chose|chosen|picks?|picked|names?|named|got|took|takes|switched to|changed to|"
    r"goes with|went with|regards?)"
)
# Something of which there are several with numbers, and the number of one.
_COUNTED = rf"(?P<attribute>(?!(?:got|been|to|in|at|the) ){_SMALL}{{3,}}(?: {_SMALL}{{2,}})?)"
_CODE = r"(?P<value>[A-Za-z]*\d+[A-Za-z]?)"
# What somebody writes about one topic.
_WORKS = r"thesis|dissertation|term paper|essay"

SLOTS: tuple[Rule, ...] = (
    rule(
        rf"[Tt]he {_N} (?:that |which )?{_S} {ADVERBS}{_LIKES} (?:the )?(?:best|most){_IS}{_V}", "favourite {attribute}"
    ),
    rule(rf"{_S} {ADVERBS}{_LIKES} no (?:other )?{_N} (?:better|more) than {_V}", "favourite {attribute}"),
    rule(rf"(?:.+, )?{_S}'s (?P<attribute>favourite {_NOUN}){_IS}{_V}"),
    rule(rf"{_S}'s (?P<attribute>{_NOUN}) {CHANGED} (?:from .+? )?to {_V}", loose=True, event=True),
    rule(rf"[Tt]he {_N} (?:of|for) {_S} {CHANGED} (?:from .+? )?to {_V}", loose=True, event=True),
    rule(
        rf"{_S} {HAS}(?:changed|updated|switched|moved|reset|set|pushed|put|shifted) {_OWN} {_N} "
        rf"(?:back )?(?:from .+? )?to {_V}",
        loose=True,
        event=True,
    ),
    rule(rf"{_S} {ADVERBS}considers? (?P<value>.+?) (?:to be )?the best {_N}", "favourite {attribute}"),
    rule(rf"{_S} {HAS}{_HOLDS} (?P<value>.+?) as (?:{_OWN} )?(?:new |current )?(?P<attribute>favourite {_NOUN})"),
    rule(rf"{_S} {HAS}{_HOLDS} (?P<value>.+?) as (?:{_OWN} |an? )?(?:new |current )?{_N}", loose=True),
    rule(
        rf"{_S} (?:[\w'{SPEAKER}{LISTENER}]+ ){{1,6}}?(?P<value>[A-Z]\w+ "
        rf"[A-Z]\w+), {_OWN} {_N}(?:, .+| (?:on|every|at|in) .+)?",
        loose=True,
    ),
    rule(rf"{_S} (?:[a-z]+ ){{1,3}}?the {_N} (?P<value>[A-Z]\w+ [A-Z]\w+)", loose=True),
    rule(rf"(?P<attribute>[A-Z][a-z]+(?: [a-z]+)?) (?:of|for) {_S}{_IS}{_V}", loose=True),
    rule(rf"[Tt]he {_N} at home(?:{_IS}|(?: has)? {CHANGED} to ){_V}", loose=True),
    rule(rf"(?P<value>[A-Z]\w+ [A-Z]\w+) is the {_N} (?:that )?{_S} (?:[a-z]+ ?){{1,3}}", loose=True),
    rule(rf"[Tt]he {_N} at {_S}'s (?:place|house|home|flat|apartment|office){_IS}{_V}", loose=True),
    rule(
        rf"{_S}'s (?P<attribute>{_WORKS}) {ADVERBS}(?:is|deals with|looks at) (?:on |about )?{_V}", "{attribute} topic"
    ),
    rule(
        rf"{_S} {ADVERBS}(?:writes?|is writing|prepares?|is preparing|works? on|is working on) (?:{_OWN}|an?) "
        rf"(?P<attribute>{_WORKS}) (?:on|about) {_V}",
        "{attribute} topic",
    ),
    rule(
        rf"{_S} {HAS}(?:changed|updated|switched|moved|reset) the {_N} of {_OWN} (?P<whole>{_NOUN}) "
        rf"(?:from .+? )?to {_V}",
        loose=True,
        event=True,
    ),
    rule(rf"[Tt]he {_N} (?:of|for) {_S}{_IS}{_V}", loose=True),
    rule(rf"[Tt]he (?P<attribute>{_NOUN}) of {_S}'s (?P<whole>{_NOUN}){_IS}{_V}", loose=True),
    rule(rf"{_S}'s {_N}{_IS}{_V}", loose=True),
    rule(
        rf"{_S} (?:[a-z]+ ){{1,3}}?(?:to )?(?:a|another) (?:(?:new|different|other) )*{_N}"
        rf"(?: now| these days)?(?::|,|, who is|, which is|, and it is| called| named|, namely) {_V}",
        loose=True,
        event=True,
    ),
    rule(rf"[Tt]he {_N} (?:(?:that|which|who) )?{_S} (?:[a-z]+ ){{1,3}}?is {ADVERBS}{_V}", loose=True),
    rule(
        rf"{_S} {HAS}(?:switched|changed|swapped)(?: over)? (?P<attribute>{_SMALL}+?(?: "
        rf"{_SMALL}+?)?)s?(?: and (?:now )?(?:has|have|uses?|goes to|go to|sees?)|"
        rf"(?:,|:)? to) {_V}",
        loose=True,
        event=True,
    ),
    rule(rf"{_S} {HAS}(?:switched|changed) to {_V} as (?:{_OWN} |an? )?(?:new )?{_N}", loose=True, event=True),
    rule(
        rf"{_S} {ADVERBS}(?:sees?|is seeing|goes to|go to|is going to|visits?) "
        rf"(?P<value>[A-Z]\w+ [A-Z]\w+), (?:{_OWN}|an?|the) {_N}(?:,? .*)?",
        loose=True,
    ),
    rule(
        rf"{_S} {HAS}(?:(?:is|was|(?:is )?sitting|sits?|works?|parks?|stands?) (?:in|at)|"
        rf"(?:keeps?|stores?) (?:[\w'{SPEAKER}{LISTENER}]+ ){{1,3}}in|"
        rf"(?:(?:was |been |got )?moved|switched|swapped)(?: over)? "
        rf"to|given|was given|been given|was assigned|been assigned|"
        rf"(?:is {ADVERBS})?using|uses?|has|have|got|took|gets?) (?:an? |the )?"
        rf"(?:new )?{_COUNTED},? (?:number |no\.? )?{_CODE}",
        loose=True,
    ),
    rule(
        rf"They (?:have )?(?:gave|given|assigned|moved|put) {_S} (?:(?:to|"
        rf"into|in) )?(?:the )?(?:new )?{_COUNTED},? (?:number )?{_CODE}",
        loose=True,
    ),
    rule(
        rf"(?P<attribute>[A-Z][a-z]{{3,}}(?: [a-z]{{2,}})?) (?:number )?{_CODE} "
        rf"(?:belongs to|is for|was given to) {_S}",
        loose=True,
    ),
    rule(rf"(?P<value>[A-Z\d].*?) (?:is|has become|became) {ADVERBS}{_S}'s {_N}", loose=True),
    rule(
        rf"(?P<value>[A-Z]\w+ [A-Z]\w+) (?:is|has become|became) {ADVERBS}(?:the )?(?:new )?{_N} (?:to|of|for) {_S}",
        loose=True,
    ),
)

_NO_SLOT = frozenset(
    "advice answer attempt attitude aim bad best biggest bit body brain case chance choice concern condition day days "
    "deal desire dream effort end evening example excuse experience eye eyes face fault favourite fear feeling first "
    "focus friend friends fun gift goal guess guy hair half hand hands happiness health heart holiday home hope house "
    "idea inspiration intention interest issue job joy last life love main memory mind moment month mood morning motto "
    "need news next night one opinion other others part passion past people person place plan plans pleasure point "
    "present pride priority problem progress project purpose question reaction reason relationship response rest "
    "result room secret self sense side situation skill sort spirit story strategy stress struggle stuff style success "
    "suggestion support task team thing things thought time top tradition trip try turn two understanding vacation "
    "view voice way week weekend whole wish word words work world worry year years".split()
)
_NOT_NOUNS = frozenset(
    "are had has is was were "
    "a about again ago all almost already also always an and any as at away awesome bad beautiful because best better "
    "big bigger black both bright broken brand busy but by calm cheap clean clear clever close closed cold "
    "comfortable cool correct crazy cute dead deep different difficult dirty down dry due early easy empty enough "
    "even ever every expensive fair fantastic far fast fat few fine finally first for free fresh friendly from full "
    "fun funny glad gone good great half happy hard hardly healthy heavy here high hot huge hungry hurt if ill "
    "important in incredible interesting into it its just key kind large last late lazy left less light like likely "
    "little long lost loud low lovely mad made many maybe me mine more most much my near necessary never new nice "
    "next no not nothing now of off often okay ok old on one only open or other our out over own part perfect pretty "
    "private proud quick quiet quite rare ready real really red right rough round sad safe same scary set several "
    "sharp short sick silly similar simple slow small smart so soft some soon sore sorry special still strange strict "
    "strong such sure sweet tall terrible that the their them then there they this those tight tiny tired to together "
    "too top tough true under unique up upset us used useful very warm way we weak well what when where wide wild "
    "with without wonderful working worth wrong you young your".split()
)
_ADJECTIVE = re.compile(r".{2,}(?:ful|less|ous|able|ible|ive|ed|ical|ish|est|ly|en't|n't)$")
_RELATIVES = frozenset(RELATIVES.split("|"))
_TYPED = re.compile(r"(?:(?:the )?[A-Z]|\d|\S*\d|[$\u20ac\u00a3+#])")
_MOST_WORDS = 5

# Somebody does something at a time, or with a number: the verb and what goes with it are the attribute.
_HABIT = re.compile(
    rf"(?P<subject>{SUBJECT})(?:'s (?P<of>{_NOUN}))? (?:(?:now|always|usually|currently|still|also|already|normally) )*"
    r"(?P<verb>[a-z]+) (?P<rest>.+)$"
)
_MEASURE = re.compile(
    r"(?<![\w.,:-])(?:\d{1,2}[:.]\d\d(?: ?[ap]\.?m\b\.?)?|\d{1,2} ?[ap]\.?m\b\.?|"
    r"\d+(?:[.,]\d+)*(?: ?(?:km|kg|mg|g|ml|l|percent|%|euros?|dollars?|pounds))?)(?![\w:-])"
)
_NO_HABIT = frozenset(
    "is was are were has have had will would can could did do does been be got get gets went go going had made makes "
    "said says told met saw won lost paid spent bought sold gave ran took left came told found turned played scored "
    "raised read watched ate drank broke hit grew knew thought wrote began became visited attended".split()
)
_ALSO_HABIT = frozenset("go goes get gets".split())
_LATE = re.compile(
    r"(?:,? (?:now|these days|nowadays|at the moment|currently|any ?more|instead|from now on|every \w+|each \w+|a day|"
    r"usually|always))+$"
)
_MOST_HABIT_WORDS = 8
# Told of once, not as a habit.
_ONCE = re.compile(
    r"\b(?:ago|first|once|yesterday|tomorrow|tonight|last|next|this|since|years?|months?|weeks?|days?|times|ones?|"
    r"to go)\b"
)


def is_named(attribute: str, value: str, clause: str) -> bool:
    """Say whether a noun stands for one thing that has a value, and words name that value."""
    named = _TYPED.match(value) is not None
    if attribute.rsplit(" ", 1)[-1] in _RELATIVES and not named:
        return False
    # Who moved to a place is not replaced by it.
    moved = " moved to " in clause and not any(mark.isdigit() for mark in value)
    return not moved and is_slot(attribute) and is_value(value)


def is_slot(attribute: str) -> bool:
    """Say whether a noun stands for one thing that has a value."""
    words = attribute.split()
    last = words[-1] if words else ""
    if not last or last in _NO_SLOT or (last.endswith("s") and not last.endswith(("ss", "us", "is"))):
        return False
    return not any(word in _NOT_NOUNS for word in words if word not in {"new", "key"})


def is_value(value: str) -> bool:
    """Say whether words name something rather than tell how it is."""
    words = value.split()
    if not words or len(words) > _MOST_WORDS or "'s " in value:
        return False
    if _TYPED.match(value):
        return True
    # "Iced latte" names something, "tired" tells how it is.
    if any(word in _NOT_NOUNS for word in words if word != "and") or _ADJECTIVE.match(words[-1]):
        return False
    return not words[0].endswith(("ing", "ly"))


def habit_of(clause: str) -> tuple[str, str, str] | None:
    """Return subject, attribute and value of a clause like "I take the 8:15 train to work"; None: it is none."""
    whole = _LATE.sub("", clause.strip().rstrip(".!"))
    found = _HABIT.match(whole)
    if not found or len(found["rest"].split()) > _MOST_HABIT_WORDS or _ONCE.search(found["rest"]):
        return None
    verb, subject = found["verb"], found["subject"]
    measures = list(_MEASURE.finditer(found["rest"]))
    if len(measures) != 1 or (verb in _NO_HABIT and verb not in _ALSO_HABIT) or verb.endswith(("ed", "ing")):
        return None
    if (found["of"] or subject not in {SPEAKER, LISTENER}) and not verb.endswith("s"):
        return None
    measure = measures[0]
    rest = f"{found['rest'][: measure.start()]} {found['rest'][measure.end() :]}"
    words = habit_words(f"{found['of'] or ''} {_plain(verb)} {rest}")
    kind = "time" if ":" in measure[0] or measure[0].rstrip(".").endswith("m") else "number"
    return (subject, attribute_of(f"{kind} of {words}"), measure[0]) if words else None


_VEHICLES = frozenset("train bus tram ferri metro".split())
_BOARDING = frozenset("take catch ride board".split())
_BETWEEN = frozenset("at by around on in to from about".split())


def _plain(verb: str) -> str:
    """Return a verb as a question has it: "goes" is "go"; all other endings are stems' business."""
    return verb[:-2] if verb.endswith(("oes", "shes", "ches")) else verb


def habit_words(text: str) -> str:
    """Return the stems of what somebody does, in one order however it is said."""
    words = set(terms(text) or (word for word in text.split() if word not in _BETWEEN))
    # Who catches a train takes it.
    words -= _BOARDING if words & _VEHICLES else frozenset()
    return " ".join(sorted(words))
