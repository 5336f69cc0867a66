"""The forms of sentences that assert something, as a table. Each stands for a whole clause.

In a clause the speaker is written as SPEAKER and the one spoken to as LISTENER, contractions are written out, and words
at the beginning and end that assert nothing are gone; see `claims`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memporium_services.reader.domain.claim_words import COUNTED, HEADS, PROFESSIONS, RELATIVES

# From the private use area: no text holds them.
SPEAKER, LISTENER = "\ue000", "\ue001"

_NO_NAME = (
    r"(?!(?:He|She|It|They|This|That|These|Those|There|Here|What|Who|Which|Where|When|Why|How|Everyone|Everybody|"
    r"Someone|Somebody|Nobody|Anyone|Something|Nothing|Everything|One|Both|All|Some|Most|Many|Few|His|Her|Their|Its)\b)"
)
_NAME = _NO_NAME + r"[A-Z\d][\w&.-]*(?: (?:of |the |and |for )?[A-Z\d][\w&.-]*){0,4}"
_NOUN = (
    r"(?!(?:of|for|is|are|was|were|has|have|had|will|to|in|on|at|by|with|and|that|which|who|can|new|current)\b)[\w-]+"
)
_THING = rf"[Tt]he {_NOUN}(?: {_NOUN}){{0,4}}?"
_BASE = rf"(?:[{SPEAKER}{LISTENER}]|{_NAME}|{_THING})"
SUBJECT = rf"{_BASE}(?:'s (?:older |younger |little |big |eldest )?(?:{RELATIVES}))?(?: {_NAME})?"
_S = rf"(?P<subject>{SUBJECT})"
_OWN = rf"(?:his|her|their|its|the|{_BASE}'s)"
_A = (
    r"(?P<attribute>(?:(?:new|current|all-time|absolute) )?favourite(?: [a-z-]+){1,3}?|"
    rf"(?:[a-z-]+ ){{0,2}}?(?:{HEADS}))"
)
_V = r"(?P<value>.+)"
# Words that stand before a verb and change nothing.
_ADV = r"(?:(?:now|currently|still|also|just|recently|finally|actually|officially|always|really|mostly) )*"
_HAS = rf"(?:(?:has|have) )?{_ADV}"
_IS = rf"(?:is|are) {_ADV}"
_NOT = r"(?:no longer|does not|do not|is not|are not)"
_CHANGED = (
    rf"{_HAS}(?:(?:been|was|were|got|is) )?{_ADV}(?:changed|moved|updated|switched|reset|set|pushed back|pushed|"
    r"extended|postponed|rescheduled|brought forward|raised|increased|lowered|cut|reduced|corrected|revised)"
)
_PHONE = r"(?P<value>[+\d][\d ()/-]+\d)"
_EMAIL = r"(?P<value>\S+@\S+)"
_NUMBER = r"\d{1,3}|no|one|two|three|four|five|six|seven|eight|nine|ten"


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of a sentence.

    Attributes:
        pattern: Of the whole clause; groups `subject` (without it the speaker), `value`, and `attribute` where it is
            not fixed.
        attribute: The attribute; "" where the clause names it; `{value}` stands for the value.
        value: The value; "" where the clause names it.
        proper: The value must begin with a capital or a digit: a name, an address.
        several: The attribute has several values at once.
        ended: The clause says that the value holds no longer.
        event: The clause tells of a change, and a time in it is when that was.
    """

    pattern: re.Pattern[str]
    attribute: str = ""
    value: str = ""
    proper: bool = False
    several: bool = False
    ended: bool = False
    event: bool = False


def _rule(
    pattern: str,
    attribute: str = "",
    value: str = "",
    *,
    proper: bool = False,
    several: bool = False,
    ended: bool = False,
    event: bool = False,
) -> Rule:
    return Rule(re.compile(f"{pattern}$"), attribute, value, proper, several, ended, event)


_LIVE = r"(?:live|lives|living|been living|lived|been based|reside|resides|residing|based|at home|settled)"
_WORK = r"(?:work|works|working|employed|been working)"
_EARN = r"(?:earns?|makes?|earning|making) (?:his|her|their|a|my|SPEAKER's) living".replace("SPEAKER", SPEAKER)
_PLAY = r"(?:play|plays|practise|practises|practice|practices|do|does)"
_SPORT = r"(?:hobby|hobbies)"

RULES: tuple[Rule, ...] = (
    # Where somebody lives.
    _rule(rf"{_S} {_NOT} {_LIVE} (?:in|at|near) {_V}", "home", proper=True, ended=True),
    _rule(rf"{_S} used to live (?:in|at|near) {_V}", "home", proper=True, ended=True),
    _rule(rf"{_S} {_HAS}moved (?:away from|out of) {_V}", "home", proper=True, ended=True),
    _rule(rf"{_S} (?:{_IS}|has been )?{_ADV}(?!lived)(?!settled){_LIVE} (?:in|at|near|on) {_V}", "home", proper=True),
    _rule(rf"{_S} (?:has|have) {_ADV}lived (?:in|at|near) {_V}", "home", proper=True),
    _rule(
        rf"{_S} {_HAS}(?:traded|swapped|exchanged|left) [^,]*\b(?:town|city|home|village|hometown) for {_V}",
        "home",
        proper=True,
        event=True,
    ),
    _rule(
        rf"{_S} {_HAS}(?:packed (?:up|everything up) and )?(?:moved|relocated|emigrated|settled)"
        rf"(?: down| back| over| house| permanently)*(?: from .+?)? "
        rf"(?:to|into|in) {_V}",
        "home",
        proper=True,
        event=True,
    ),
    _rule(rf"{_S}'s (?:new |current )?(?:home|house|flat|apartment|place) {_IS}(?:in|at) {_V}", "home", proper=True),
    _rule(rf"{_S} (?:has|have|rents?|owns?) an? (?:flat|house|home|apartment|room|place) in {_V}", "home", proper=True),
    _rule(rf"{_S} {_IS}(?:settled|at home) in {_V}", "home", proper=True),
    _rule(rf"{_S} {_ADV}calls? (?P<value>.+?) home", "home", proper=True),
    _rule(rf"{_S} {_HAS}(?:made|found) (?:{_OWN}|a) (?:new )?home in {_V}", "home", proper=True, event=True),
    _rule(rf"(?P<value>.+?) is {_ADV}where {_S} {_ADV}lives?", "home", proper=True),
    # Work.
    _rule(rf"{_S} {_NOT} {_WORK} (?:for|at|with) {_V}", "employer", proper=True, ended=True),
    _rule(rf"{_S} {_HAS}(?:quit|left|resigned from) {_OWN} job (?:at|with) {_V}", "employer", proper=True, ended=True),
    _rule(
        rf"{_S} {_HAS}(?:resigned from|been laid off from|was laid off from) {_V}", "employer", proper=True, ended=True
    ),
    _rule(
        rf"{_S} (?:{_IS}|has )?{_ADV}{_WORK} (?:over )?(?:for|at|with|by) (?P<value>.+?)(?: as (?:an?|the) .+)?",
        "employer",
        proper=True,
    ),
    _rule(rf"{_S} {_IS}(?:on the (?:staff|payroll) of|with|an? employee of) {_V}", "employer", proper=True),
    _rule(rf"{_S} {_ADV}{_EARN} (?:at|with) {_V}", "employer", proper=True),
    _rule(rf"{_S} {_ADV}{_EARN} as (?:an? |the )?{_V}", "job"),
    _rule(rf"(?:By (?:profession|trade|training),? ){_S} {_IS}(?:an? )?(?P<value>(?:[a-z-]+ ){{0,3}}[a-z-]+)", "job"),
    _rule(
        rf"{_S} {_HAS}(?:joined|started (?:working )?(?:at|for|with)|(?:took|got|accepted|found) an? (?:new )?"
        rf"(?:job|position|role) (?:at|with)|(?:was |been |got )?hired by|signed on with) (?P<value>.+?)"
        r"(?: as (?:an?|the) .+)?",
        "employer",
        proper=True,
        event=True,
    ),
    _rule(rf"{_S} (?:{_IS})?{_ADV}{_WORK} (?:(?:for|at|with|by) .+? )?as (?:an?|the) {_V}", "job"),
    _rule(rf"{_S} {_HAS}(?:was |been |got |is )(?:promoted to|appointed|made) (?:an? |the )?{_V}", "job", event=True),
    _rule(
        rf"{_S} (?:{_IS}|(?:has )?{_ADV}bec[ao]me |{_HAS}retrained (?:and is |as ){_ADV}|"
        rf"{_HAS}(?:changed|switched) (?:careers?|jobs?)(?: and is|: .+? is|, .+? is) {_ADV})(?:an? |the )?"
        rf"(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))",
        "job",
    ),
    _rule(rf"{_S} (?:{_IS}|has been )?{_ADV}(?:reports?|reporting) to {_V}", "manager", proper=True),
    _rule(rf"{_S} (?:{_IS})?{_ADV}(?:works?|working) under {_V}", "manager", proper=True),
    _rule(rf"(?P<value>.+?) {_HAS}(?:took over|taken over|stepped in|started) as {_S}'s {_A}", proper=True, event=True),
    _rule(
        rf"{_S} (?:has|have|has got) (?:an? )?(?:new )?(?:job|position|role) (?:at|with) {_V}", "employer", proper=True
    ),
    _rule(
        rf"{_S} {_HAS}started an? (?:new )?(?:job|position|role) (?:at|with) {_V}", "employer", proper=True, event=True
    ),
    _rule(
        rf"{_S} {_HAS}left {_OWN} (?:old |last |previous )?(?:company|job|employer|firm|position) for {_V}",
        "employer",
        proper=True,
        event=True,
    ),
    _rule(rf"{_S} (?:has|have) {_ADV}been an? (?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))", "job"),
    _rule(rf"{_S}, who is (?:an? |the )?(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS})),? .*", "job"),
    _rule(
        rf"{_S} {_HAS}[a-z][a-z ]{{2,40}},? and is {_ADV}(?:an? |the )?(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))",
        "job",
    ),
    _rule(rf"(?P<value>.+?) (?:manages|supervises) {_S}", "manager", proper=True),
    # Study.
    _rule(rf"{_S} {_NOT} (?:attend|attends|go to|goes to|study at|studies at) {_V}", "school", proper=True, ended=True),
    _rule(
        rf"{_S} (?:{_IS})?{_ADV}(?:attends?|goes to|go to|stud(?:y|ies|ying) at|enrolled (?:at|in)) {_V}",
        "school",
        proper=True,
    ),
    _rule(rf"{_S} {_HAS}transferred (?:from .+? )?to {_V}", "school", proper=True, event=True),
    _rule(rf"{_S} (?:{_IS})?{_ADV}(?:majors?|majoring) in {_V}", "major"),
    # Family and partners.
    _rule(rf"{_S} {_HAS}(?:got )?divorced(?: from)? {_V}", "spouse", proper=True, ended=True),
    _rule(rf"{_S} {_HAS}(?:split up with|broke up with|separated from) {_V}", "partner", proper=True, ended=True),
    _rule(rf"{_S} (?:{_IS}|{_HAS}(?:got )?){_ADV}(?:married to|married|wed) {_V}", "spouse", proper=True),
    _rule(
        rf"{_S} (?:{_IS}|{_HAS}(?:got )?)(?:dating|seeing|engaged to|in a relationship with) {_V}",
        "partner",
        proper=True,
    ),
    _rule(rf"{_S} (?:has|have) (?P<value>{_NUMBER}) (?P<attribute>{COUNTED})", "number of {attribute}"),
    _rule(
        rf"{_S} (?:has|have|owns?|{_HAS}(?:adopted|got|bought)) (?:an?|another|one) (?:new )?"
        rf"(?P<attribute>[a-z]+(?: [a-z]+)?) (?:called|named) {_V}",
        several=True,
    ),
    # The person.
    _rule(rf"{_S} (?:is|turned|{_HAS}turned) {_ADV}(?P<value>{_NUMBER}) years old", "age"),
    _rule(rf"{_S} was born on {_V}", "birthday"),
    _rule(rf"{_S} was born in (?P<value>(?!\d{{4}}).+)", "birthplace", proper=True),
    _rule(rf"{_S} (?:is no longer|is not) (?:an? )?(?P<value>vegetarian|vegan|pescatarian)", "diet", ended=True),
    _rule(
        rf"{_S} (?:{_IS}|{_HAS}(?:became|become|went|gone|turned) )(?:an? )?(?P<value>vegetarian|vegan|pescatarian)",
        "diet",
    ),
    _rule(rf"{_S} (?:is no longer|is not) allergic to {_V}", "allergy", several=True, ended=True),
    _rule(rf"{_S} {_IS}(?:severely |very |highly )?allergic to {_V}", "allergy", several=True),
    _rule(
        rf"{_S} {_ADV}(?:drives?|is {_ADV}driving|gets? around in) "
        rf"(?:an? |the )(?P<value>[^,]+?)(?: to work| to town)?",
        "car",
    ),
    _rule(
        rf"{_S} {_HAS}(?:swapped|traded|replaced|exchanged) {_OWN} (?:old )?car (?:for|with|in for) (?:an? )?{_V}",
        "car",
        event=True,
    ),
    _rule(rf"{_S}'s (?:new |current |latest )?car {_IS}(?:an? |the )?{_V}", "car"),
    _rule(rf"{_S} {_ADV}speaks? {_V}", "language", proper=True, several=True),
    # Tastes.
    _rule(rf"{_S} {_ADV}prefers? (?P<value>.+?) (?:to|over|rather than|instead of) (?P<other>.+)", "choice"),
    _rule(
        rf"{_S} {_ADV}(?:hates?|dislikes?|detests?|can not stand|(?:no longer|does not|do not) "
        rf"(?:likes?|enjoys?|loves?)) (?P<attribute>.+)",
        "feeling about {attribute}",
        "dislikes",
    ),
    _rule(rf"{_S} {_ADV}(?:likes?|loves?|enjoys?|adores?) (?P<attribute>.+)", "feeling about {attribute}", "likes"),
    _rule(rf"{_S} (?:no longer|does not|do not) {_PLAY} {_V}", "hobby", several=True, ended=True),
    _rule(rf"{_S} {_HAS}(?:gave up|given up|quit|stopped) (?:playing |doing )?{_V}", "hobby", several=True, ended=True),
    _rule(rf"{_S} {_ADV}(?:plays?|practises?|practices?) {_V}", "hobby", several=True),
    _rule(rf"{_S} {_HAS}(?:took up|taken up|picked up) {_V}", "hobby", several=True),
    _rule(rf"(?:One of )?{_S}'s {_SPORT} (?:is|are) {_V}", "hobby", several=True),
    # Things.
    _rule(
        rf"{_S} (?:{_IS}|has to be |must be |needs to be )(?:due|ready|finished|done|delivered) "
        rf"(?:on |by |in |at )?{_V}",
        "deadline",
    ),
    _rule(rf"{_S} {_HAS}slipped (?:from .+? )?to {_V}", "deadline", event=True),
    _rule(rf"{_S} {_IS}(?:kept|stored|located|parked|hidden) (?:in|at|on|under|behind|inside|near) {_V}", "location"),
    _rule(
        rf"{_S} (?:{_IS}|was |will be |{_HAS}been )(?:re)?(?:scheduled|set|planned|postponed|pushed back) "
        rf"(?:for|to|until|on) {_V}",
        "date",
    ),
    _rule(rf"{_S} {_ADV}(?:takes|will take) place (?:on|in|at) {_V}", "date"),
    _rule(rf"{_S} {_ADV}costs? {_V}", "price"),
    _rule(
        rf"(?:(?:You|{LISTENER}) can {_ADV})?(?:[Rr]each|[Cc]all|[Rr]ing|[Pp]hone|[Tt]ext) {_S} "
        rf"(?:at|on|under) {_PHONE}",
        "phone",
    ),
    _rule(rf"(?:Please )?[Uu]se {_PHONE} to (?:call|reach|ring|phone|text) {_S}", "phone"),
    _rule(rf"{_S} can {_ADV}be (?:reached|called|contacted) (?:at|on|under) {_PHONE}", "phone"),
    _rule(rf"{_S} can {_ADV}be (?:reached|contacted|emailed) (?:at|under) {_EMAIL}", "email"),
    _rule(
        rf"{_S} (?:has|have|has got) (?:an? )?new (?:phone |mobile )?number(?::|,| which is)? {_PHONE}",
        "phone",
        event=True,
    ),
    _rule(rf"(?:Please )?[Ss]end (?:me )?(?:mail|email|messages) to {_EMAIL}", "email"),
    _rule(rf"(?:[Dd]rop|[Ss]end) {_S} (?:a line|mail|an email|a message) (?:at|to) {_EMAIL}", "email"),
    _rule(rf"(?:Mail|Email|Messages) (?:for|to) {_S} (?:goes|go) to {_EMAIL}", "email"),
    _rule(
        rf"{_S} {_HAS}(?:changed|switched|moved)(?: (?:his|her|their|to the|to a new))? "
        rf"email addresse?s?(?: to)? {_EMAIL}",
        "email",
        event=True,
    ),
    _rule(rf"(?:{_BASE}) (?:must|have to|has to) (?:hand in|deliver|finish|submit) {_S} (?:on|by) {_V}", "deadline"),
    _rule(rf"{_S} may spend (?:up to )?{_V}", "budget"),
    _rule(rf"{_S}'s (?:new )?number (?:{_IS}|{_CHANGED} to ){_PHONE}", "phone"),
    _rule(rf"{_S} {_HAS}(?:switched|changed) (?:phone )?numbers?,? (?:use|to|it is now) {_PHONE}", "phone"),
    _rule(
        rf"(?:(?:You|{LISTENER}) can {_ADV})?(?:Please )?(?:[Rr]each|[Ee]mail|[Mm]ail|[Ww]rite to) {_S} "
        rf"(?:at|under) {_EMAIL}",
        "email",
    ),
    _rule(rf"{_S} {_ADV}(?:reads?|gets?) (?:mail|email) at {_EMAIL}", "email"),
    _rule(rf"{_S} {_ADV}uses? (?:the )?(?:new )?email(?: address)? {_EMAIL}", "email"),
    _rule(rf"{_S} {_HAS}(?:switched|moved) {_OWN} email (?:over )?to {_EMAIL}", "email", event=True),
    # Whatever somebody or something has one of.
    _rule(rf"{_S}'s {_A} (?:is|are) (?:no longer|not) {_V}", ended=True),
    _rule(rf"{_S}'s {_A} {_CHANGED} (?:from .+? )?to {_V}", event=True),
    _rule(rf"[Tt]he {_A} (?:of|for) {_S} (?:is|are) (?:no longer|not) {_V}", ended=True),
    _rule(rf"[Tt]he {_A} (?:of|for) {_S} {_CHANGED} (?:from .+? )?to {_V}", event=True),
    _rule(
        rf"{_S} {_HAS}(?:changed|updated|switched|moved|set|reset|extended|raised|cut) {_OWN} {_A} "
        rf"(?:from .+? )?to {_V}",
        event=True,
    ),
    _rule(rf"{_S} {_HAS}replaced {_OWN} {_A} with {_V}", event=True),
    _rule(rf"{_S}'s {_A}(?: (?:is|are|will be)| remains|:) {_ADV}(?:called |named |at |on )?{_V}"),
    _rule(rf"[Tt]he {_A} (?:of|for) {_S}(?: (?:is|are|will be)| remains|:) {_ADV}(?:called |named |at |on )?{_V}"),
    _rule(rf"(?P<subject>{_THING}) {_A} {_CHANGED} (?:from .+? )?to {_V}", event=True),
    _rule(rf"(?P<subject>{_THING}) {_A}(?: (?:is|are|will be)| remains|:) {_ADV}(?:at |on )?{_V}"),
    _rule(rf"{_S}'s (?P<attribute>{RELATIVES})(?:'s name)? {_IS}(?:called |named )?(?P<value>[A-Z].*)", several=True),
    _rule(
        rf"{_S} (?:{_ADV}(?:has|have|got)|has got) {_ADV}(?:an? )?(?:new )?{_A}(?::| of|,|, which is)? {_V}", event=True
    ),
    _rule(rf"(?P<value>.+?) (?:{_IS}|{_HAS}become ){_S}'s {_A}"),
    _rule(rf"[Nn]othing beats (?P<value>.+?), {_S}'s {_A}"),
    _rule(
        rf"{_A} (?:of|for) {_S}: ?{_V}".replace("(?P<attribute>", "(?i:(?P<attribute>", 1).replace(
            ")) (?:of", "))) (?:of", 1
        )
    ),
    _rule(
        rf".+? {_HAS}(?:changed|raised|cut|set|moved|updated) the {_A} (?:of|for) {_S} (?:from .+? )?to {_V}",
        event=True,
    ),
    _rule(rf"(?P<value>.+?) {_IS}the {_A} (?:of|for) {_S}"),
)
