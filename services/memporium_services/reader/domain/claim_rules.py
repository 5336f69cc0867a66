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
    r"Someone|Somebody|Nobody|Anyone|Something|Nothing|Everything|One|Both|All|Some|Most|Many|Few|His|Her|Their|Its|The)\b)"
)
_NAME = _NO_NAME + r"[A-Z\d][\w&.-]*(?: (?:of |the |and |for )?[A-Z\d][\w&.-]*){0,4}"
_NOUN = (
    r"(?!(?:of|for|is|are|was|were|has|have|had|will|to|in|on|at|by|with|and|that|which|who|can|new|current)\b)[\w-]+"
)
_THING = rf"[Tt]he {_NOUN}(?: {_NOUN}){{0,4}}?"
_BASE = rf"(?:[{SPEAKER}{LISTENER}]|{_NAME}|{_THING})"
SUBJECT = rf"{_BASE}(?:'s (?:older |younger |little |big |eldest )?(?:{RELATIVES}))?(?: {_NAME})?"
# Somebody with a name of their own.
NAMED = rf"{_NAME}(?:'s (?:older |younger |little |big |eldest )?(?:{RELATIVES})(?! (?:is|was|has)))?"
_S = rf"(?P<subject>{SUBJECT})"
_OWN = rf"(?:his|her|their|its|the|{_BASE}'s)"
_A = (
    r"(?P<attribute>(?:(?:new|current|all-time|absolute) )?favourite(?: [a-z-]+){1,3}?|"
    rf"(?:[a-z-]+ ){{0,2}}?(?:{HEADS}))"
)
_V = r"(?P<value>.+)"
# Words that stand before a verb and change nothing.
ADVERBS = (
    r"(?:(?:now|currently|still|also|just|recently|finally|actually|officially|always|really|mostly|"
    r"definitely|certainly|clearly|easily|simply) )*"
)
HAS = rf"(?:(?:has|have) )?{ADVERBS}"
_IS = rf"(?:is|are) {ADVERBS}"
_NOT = r"(?:no longer|does not|do not|is not|are not)"
CHANGED = (
    rf"{HAS}(?:(?:been|was|were|got|is) )?{ADVERBS}(?:changed|moved|updated|switched|reset|set|pushed back|pushed|"
    r"extended|postponed|rescheduled|brought forward|raised|increased|lowered|cut|reduced|corrected|revised)"
)
# Says that something is so, or has become so.
BE = (
    rf"(?:{ADVERBS}(?:is|are|will be|remains?|stays|happens to be|turned out to be|goes by(?: the name(?: of)?)?|"
    rf"stands at|amounts to)|{HAS}(?:become|became)) {ADVERBS}"
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
        loose: No list names the attribute, so the value must look like one; see `claim_slots`.
    """

    pattern: re.Pattern[str]
    attribute: str = ""
    value: str = ""
    proper: bool = False
    several: bool = False
    ended: bool = False
    event: bool = False
    loose: bool = False


def rule(
    pattern: str,
    attribute: str = "",
    value: str = "",
    *,
    proper: bool = False,
    several: bool = False,
    ended: bool = False,
    event: bool = False,
    loose: bool = False,
) -> Rule:
    """Return the rule for clauses of this form from the beginning to the end."""
    return Rule(re.compile(f"{pattern}$"), attribute, value, proper, several, ended, event, loose)


_LIVE = r"(?:live|lives|living|been living|lived|been based|reside|resides|residing|based|at home|settled)"
_WORK = r"(?:work|works|working|employed|been working)"
_EARN = r"(?:earns?|makes?|earning|making) (?:his|her|their|a|my|SPEAKER's) living".replace("SPEAKER", SPEAKER)
_PLAY = r"(?:play|plays|practise|practises|practice|practices|do|does)"
_SPORT = r"(?:hobby|hobbies)"

RULES: tuple[Rule, ...] = (
    # Who is named, and then what that one is to somebody: no more is said of the name.
    rule(
        rf"{_S} (?:[a-z]+ ){{1,3}}(?P<value>{_NAME}), (?:{_OWN}|[{SPEAKER}{LISTENER}]'s) "
        r"(?P<attribute>(?:line )?(?:manager|boss|supervisor|doctor|dentist|therapist|mentor|landlord))(?:,? .*)?"
    ),
    rule(rf"{_S}'s (?:team|department|group|unit) {_IS}(?:led|managed|headed|run) by {_V}", "manager", proper=True),
    rule(rf"{_S} {_IS}(?:managed|supervised) by {_V}", "manager", proper=True),
    # Where somebody lives.
    rule(rf"{_S} {_NOT} {_LIVE} (?:in|at|near) {_V}", "home", proper=True, ended=True),
    rule(rf"{_S} used to live (?:in|at|near) {_V}", "home", proper=True, ended=True),
    rule(rf"{_S} {HAS}moved (?:away from|out of) {_V}", "home", proper=True, ended=True),
    rule(rf"{_S} (?:{_IS}|has been )?{ADVERBS}(?!lived)(?!settled){_LIVE} (?:in|at|near|on) {_V}", "home", proper=True),
    rule(rf"{_S} (?:has|have) {ADVERBS}lived (?:in|at|near) {_V}", "home", proper=True),
    rule(
        rf"{_S} {HAS}(?:moved|switched|gone|went)(?: over)? to (?P<value>.+?) for (?:work|an? (?:new )?job)",
        "employer",
        proper=True,
        event=True,
    ),
    rule(rf"{_S} {ADVERBS}stays? in (?P<value>.+?) (?:permanently|for good)", "home", proper=True),
    rule(
        rf"{_S} {HAS}(?:traded|swapped|exchanged|left) [^,]*\b(?:town|city|home|village|hometown) for {_V}",
        "home",
        proper=True,
        event=True,
    ),
    rule(
        rf"{_S} {HAS}(?:packed (?:up|everything up) and )?(?:moved|relocated|emigrated|settled)"
        rf"(?: down| back| over| house| permanently)*(?: from .+?)? "
        rf"(?:to|into|in) {_V}",
        "home",
        proper=True,
        event=True,
    ),
    rule(rf"{_S}'s (?:new |current )?(?:home|house|flat|apartment|place) {_IS}(?:in|at) {_V}", "home", proper=True),
    rule(rf"{_S}'s (?:new |current )?home {BE}{_V}", "home", proper=True),
    rule(
        rf"{_S}'s (?:new |current )?(?:work|job|office|workplace|desk job) {_IS}(?:at|with|for) {_V}",
        "employer",
        proper=True,
    ),
    rule(rf"{_S} (?:has|have|rents?|owns?) an? (?:flat|house|home|apartment|room|place) in {_V}", "home", proper=True),
    rule(rf"{_S} {_IS}(?:settled|at home) in {_V}", "home", proper=True),
    rule(rf"(?P<value>{_NAME}) (?:is|has become|became) {ADVERBS}home", "home", proper=True),
    rule(rf"{_S} {ADVERBS}calls? (?P<value>.+?) home", "home", proper=True),
    rule(rf"{_S} {HAS}(?:makes?|made|found) (?:{_OWN}|a) (?:new )?home in {_V}", "home", proper=True, event=True),
    rule(rf"(?P<value>.+?) is {ADVERBS}where {_S} {ADVERBS}lives?", "home", proper=True),
    rule(rf"{_S},? \(?{ADVERBS}(?:based|living|residing|at home) in (?P<value>{_NAME})[,)].*", "home", proper=True),
    # Work.
    rule(rf"{_S} {_NOT} {_WORK} (?:for|at|with) {_V}", "employer", proper=True, ended=True),
    rule(rf"{_S} {HAS}(?:quit|left|resigned from) {_OWN} job (?:at|with) {_V}", "employer", proper=True, ended=True),
    rule(
        rf"{_S} {HAS}(?:resigned from|been laid off from|was laid off from) {_V}", "employer", proper=True, ended=True
    ),
    rule(
        rf"{_S} (?:{_IS}|has )?{ADVERBS}{_WORK} (?:over )?(?:for|at|with|by) (?P<value>.+?)(?: as (?:an?|the) .+)?",
        "employer",
        proper=True,
    ),
    rule(rf"{_S} {_IS}(?:on the (?:staff|payroll) of|with|an? employee of) {_V}", "employer", proper=True),
    rule(rf"{_S} (?:has|have) {ADVERBS}worked (?:over )?(?:for|at|with) {_V}", "employer", proper=True),
    rule(rf"{_S} (?:has|have) {ADVERBS}worked as (?:an?|the) {_V}", "job"),
    rule(rf"{_S} {ADVERBS}{_EARN} (?:at|with) {_V}", "employer", proper=True),
    rule(rf"(?P<value>.+?) is {ADVERBS}where {_S} {ADVERBS}works?", "employer", proper=True),
    rule(rf"(?P<value>.+?) {HAS}(?:hired|recruited|employed) {_S}", "employer", proper=True, event=True),
    rule(rf"{_S} {ADVERBS}(?:clocks?|punch(?:es)?) in at (?P<value>.+?)(?: every .+)?", "employer", proper=True),
    rule(rf"{_S} {ADVERBS}{_EARN} as (?:an? |the )?{_V}", "job"),
    rule(rf"(?:By (?:profession|trade|training),? ){_S} {_IS}(?:an? )?(?P<value>(?:[a-z-]+ ){{0,3}}[a-z-]+)", "job"),
    rule(
        rf"{_S} {HAS}(?:joined|started (?:working )?(?:at|for|with)|(?:took|got|accepted|found) an? (?:new )?"
        rf"(?:job|position|role) (?:at|with)|(?:was |been |got )?hired by|signed on with) (?P<value>.+?)"
        r"(?: as (?:an?|the) .+)?",
        "employer",
        proper=True,
        event=True,
    ),
    rule(rf"{_S} (?:{_IS})?{ADVERBS}{_WORK} (?:(?:for|at|with|by) .+? )?as (?:an?|the) {_V}", "job"),
    rule(
        rf"{_S} {HAS}(?:took|taken|got|accepted|found) (?:up )?an? (?:new )?(?:job|position|post|role) as "
        rf"(?:an? |the )?{_V}",
        "job",
        event=True,
    ),
    rule(rf"{_S}, an? (?P<value>(?:[a-z-]+ ){{0,2}}(?:{PROFESSIONS})), .*", "job"),
    rule(rf"{_S} {HAS}(?:was |been |got |is )(?:promoted to|appointed|made) (?:an? |the )?{_V}", "job", event=True),
    rule(
        rf"{_S} (?:{_IS}|(?:has )?{ADVERBS}bec[ao]me |{HAS}retrained (?:and is |as ){ADVERBS}|"
        rf"{HAS}(?:changed|switched) (?:careers?|jobs?)(?: and is|: .+? is|, .+? is) {ADVERBS})(?:an? |the )?"
        rf"(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))",
        "job",
    ),
    rule(rf"{_S} (?:{_IS}|has been )?{ADVERBS}(?:reports?|reporting) to {_V}", "manager", proper=True),
    rule(rf"{_S} (?:{_IS})?{ADVERBS}(?:works?|working) under {_V}", "manager", proper=True),
    rule(rf"(?P<value>.+?) {HAS}(?:took over|taken over|stepped in|started) as {_S}'s {_A}", proper=True, event=True),
    rule(
        rf"{_S} (?:has|have|has got) (?:an? )?(?:new )?(?:job|position|role) (?:at|with) {_V}", "employer", proper=True
    ),
    rule(
        rf"{_S} {HAS}started an? (?:new )?(?:job|position|role) (?:at|with) {_V}", "employer", proper=True, event=True
    ),
    rule(
        rf"{_S} {HAS}left {_OWN} (?:old |last |previous )?(?:company|job|employer|firm|position) for {_V}",
        "employer",
        proper=True,
        event=True,
    ),
    rule(rf"{_S} (?:has|have) {ADVERBS}been an? (?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))", "job"),
    rule(rf"{_S}, who is (?:an? |the )?(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS})),? .*", "job"),
    rule(
        rf"{_S} {HAS}[a-z][a-z ]{{2,40}},? and is {ADVERBS}(?:an? |the )?"
        rf"(?P<value>(?:[a-z-]+ ){{0,3}}(?:{PROFESSIONS}))",
        "job",
    ),
    rule(rf"(?P<value>.+?) (?:manages|supervises) {_S}", "manager", proper=True),
    # Study.
    rule(rf"{_S} {_NOT} (?:attend|attends|go to|goes to|study at|studies at) {_V}", "school", proper=True, ended=True),
    rule(
        rf"{_S} (?:{_IS})?{ADVERBS}(?:attends?|goes to|go to|stud(?:y|ies|ying) at|enrolled (?:at|in)) {_V}",
        "school",
        proper=True,
    ),
    rule(rf"{_S} {HAS}transferred (?:from .+? )?to {_V}", "school", proper=True, event=True),
    rule(rf"{_S} (?:{_IS})?{ADVERBS}(?:majors?|majoring) in {_V}", "major"),
    # Family and partners.
    rule(rf"{_S} {HAS}(?:got )?divorced(?: from)? {_V}", "spouse", proper=True, ended=True),
    rule(rf"{_S} {HAS}(?:split up with|broke up with|separated from) {_V}", "partner", proper=True, ended=True),
    rule(rf"{_S} (?:{_IS}|{HAS}(?:got )?){ADVERBS}(?:married to|married|wed) {_V}", "spouse", proper=True),
    rule(
        rf"{_S} (?:{_IS}|{HAS}(?:got )?)(?:dating|seeing|engaged to|in a relationship with) {_V}",
        "partner",
        proper=True,
    ),
    rule(rf"{_S} (?:has|have) (?P<value>{_NUMBER}) (?P<attribute>{COUNTED})", "number of {attribute}"),
    rule(
        rf"{_S} (?:has|have|owns?|{HAS}(?:adopted|got|bought)) (?:an?|another|one) (?:new )?"
        rf"(?P<attribute>[a-z]+(?: [a-z]+)?) (?:called|named) {_V}",
        several=True,
    ),
    # The person.
    rule(rf"{_S} (?:is|turned|{HAS}turned) {ADVERBS}(?P<value>{_NUMBER}) years old", "age"),
    rule(rf"{_S} was born on {_V}", "birthday"),
    rule(rf"{_S} was born in (?P<value>(?!\d{{4}}).+)", "birthplace", proper=True),
    rule(rf"{_S} (?:is no longer|is not) (?:an? )?(?P<value>vegetarian|vegan|pescatarian)", "diet", ended=True),
    rule(
        rf"{_S} (?:{_IS}|{HAS}(?:became|become|went|gone|turned) )(?:an? )?(?P<value>vegetarian|vegan|pescatarian)",
        "diet",
    ),
    rule(rf"{_S} (?:is no longer|is not) allergic to {_V}", "allergy", several=True, ended=True),
    rule(rf"{_S} {_IS}(?:severely |very |highly )?allergic to {_V}", "allergy", several=True),
    rule(
        rf"{_S} {ADVERBS}(?:drives?|is {ADVERBS}driving|gets? around in) "
        rf"(?:an? |the )(?P<value>[^,]+?)(?: to work| to town)?",
        "car",
    ),
    rule(
        rf"{_S} {HAS}(?:swapped|traded|replaced|exchanged) {_OWN} (?:old )?car (?:for|with|in for) (?:an? )?{_V}",
        "car",
        event=True,
    ),
    rule(rf"{_S}'s (?:new |current |latest )?car {_IS}(?:an? |the )?{_V}", "car"),
    rule(rf"{_S} {ADVERBS}speaks? {_V}", "language", proper=True, several=True),
    # Tastes.
    rule(rf"{_S} {ADVERBS}prefers? (?P<value>.+?) (?:to|over|rather than|instead of) (?P<other>.+)", "choice"),
    rule(
        rf"{_S} {ADVERBS}(?:hates?|dislikes?|detests?|can not stand|(?:no longer|does not|do not) "
        rf"(?:likes?|enjoys?|loves?)) (?P<attribute>.+)",
        "feeling about {attribute}",
        "dislikes",
    ),
    rule(rf"{_S} {ADVERBS}(?:likes?|loves?|enjoys?|adores?) (?P<attribute>.+)", "feeling about {attribute}", "likes"),
    rule(rf"{_S} (?:no longer|does not|do not) {_PLAY} {_V}", "hobby", several=True, ended=True),
    rule(rf"{_S} {HAS}(?:gave up|given up|quit|stopped) (?:playing |doing )?{_V}", "hobby", several=True, ended=True),
    rule(rf"{_S} {ADVERBS}(?:plays?|practises?|practices?) {_V}", "hobby", several=True),
    rule(rf"{_S} {HAS}(?:took up|taken up|picked up (?!an? )) ?{_V}", "hobby", several=True),
    rule(rf"(?:One of )?{_S}'s {_SPORT} (?:is|are) {_V}", "hobby", several=True),
    # Things.
    rule(
        rf"{_S} (?:{_IS}|has to be |must be |needs to be )(?:due|ready|finished|done|delivered) "
        rf"(?:on |by |in |at )?{_V}",
        "deadline",
    ),
    rule(rf"{_S} {HAS}slipped (?:from .+? )?to {_V}", "deadline", event=True),
    rule(rf"{_S} {_IS}(?:kept|stored|located|parked|hidden) (?:in|at|on|under|behind|inside|near) {_V}", "location"),
    rule(
        rf"{_S} (?:{_IS}|was |will be |{HAS}been )(?:re)?(?:scheduled|set|planned|postponed|pushed back) "
        rf"(?:for|to|until|on) {_V}",
        "date",
    ),
    rule(rf"{_S} {ADVERBS}(?:takes|will take) place (?:on|in|at) {_V}", "date"),
    rule(rf"{_S} {ADVERBS}costs? {_V}", "price"),
    rule(
        rf"(?:(?:You|{LISTENER}) can {ADVERBS})?(?:[Rr]each|[Cc]all|[Rr]ing|[Pp]hone|[Tt]ext) {_S} "
        rf"(?:at|on|under) {_PHONE}",
        "phone",
    ),
    rule(rf"(?:Please )?[Uu]se {_PHONE} to (?:call|reach|ring|phone|text) {_S}", "phone"),
    rule(rf"{_S} can {ADVERBS}be (?:reached|called|contacted) (?:at|on|under) {_PHONE}", "phone"),
    rule(rf"{_S} can {ADVERBS}be (?:reached|contacted|emailed) (?:at|under) {_EMAIL}", "email"),
    rule(
        rf"{_S} (?:has|have|has got) (?:an? )?new (?:phone |mobile )?number(?::|,| which is)? {_PHONE}",
        "phone",
        event=True,
    ),
    rule(rf"(?:Please )?[Ss]end (?:me )?(?:mail|email|messages) to {_EMAIL}", "email"),
    rule(rf"(?:[Dd]rop|[Ss]end) {_S} (?:a line|mail|an email|a message) (?:at|to) {_EMAIL}", "email"),
    rule(
        rf"(?:Mail|Emails?|Messages) (?:for|to) {_S} (?:goes|go|should go|(?:should|must|can) be sent) to {_EMAIL}",
        "email",
    ),
    rule(
        rf"{_S} {HAS}(?:changed|switched|moved)(?: (?:his|her|their|to the|to a new))? "
        rf"email addresse?s?(?: to)? {_EMAIL}",
        "email",
        event=True,
    ),
    rule(rf"(?:{_BASE}) (?:must|have to|has to) (?:hand in|deliver|finish|submit) {_S} (?:on|by) {_V}", "deadline"),
    rule(rf"{_S} may spend (?:up to )?{_V}", "budget"),
    rule(rf"{_S}'s (?:new )?number (?:{_IS}|{CHANGED} to ){_PHONE}", "phone"),
    rule(rf"{_S} {HAS}(?:switched|changed) (?:phone )?numbers?,? (?:use|to|it is now) {_PHONE}", "phone"),
    rule(
        rf"(?:(?:You|{LISTENER}) can {ADVERBS})?(?:Please )?(?:[Rr]each|[Ee]mail|[Mm]ail|[Ww]rite to) {_S} "
        rf"(?:at|under) {_EMAIL}",
        "email",
    ),
    rule(rf"{_S} {ADVERBS}(?:reads?|gets?) (?:mail|email) at {_EMAIL}", "email"),
    rule(rf"{_S} {ADVERBS}uses? (?:the )?(?:new )?email(?: address)? {_EMAIL}", "email"),
    rule(rf"{_S} {HAS}(?:switched|moved) {_OWN} email (?:over )?to {_EMAIL}", "email", event=True),
    # Whatever somebody or something has one of.
    rule(rf"{_S}'s {_A} (?:is|are) (?:no longer|not) {_V}", ended=True),
    rule(rf"{_S}'s {_A} {CHANGED} (?:from .+? )?to {_V}", event=True),
    rule(rf"[Tt]he {_A} (?:of|for) {_S} (?:is|are) (?:no longer|not) {_V}", ended=True),
    rule(rf"[Tt]he {_A} (?:of|for) {_S} {CHANGED} (?:from .+? )?to {_V}", event=True),
    rule(
        rf"{_S} {HAS}(?:changed|updated|switched|moved|set|reset|extended|raised|cut) {_OWN} {_A} "
        rf"(?:from .+? )?to {_V}",
        event=True,
    ),
    rule(rf"{_S} {HAS}replaced {_OWN} {_A} with {_V}", event=True),
    rule(rf"{_S}'s {_A}(?: {BE}|: )(?:called |named |at |on )?{_V}"),
    rule(rf"[Tt]he {_A} (?:of|for) {_S}(?: {BE}|: )(?:called |named |at |on )?{_V}"),
    rule(rf"(?P<subject>{_THING}) {_A} {CHANGED} (?:from .+? )?to {_V}", event=True),
    rule(rf"(?P<subject>{_THING}) {_A}(?: (?:is|are|will be)| remains|:) {ADVERBS}(?:at |on )?{_V}"),
    rule(rf"{_S}'s (?P<attribute>{RELATIVES})(?:'s name)? {_IS}(?:called |named )?(?P<value>[A-Z].*)", several=True),
    rule(rf"(?P<value>.+?) {BE}the {_A} (?:of|for) {_S}"),
    rule(
        rf"{_S} (?:{ADVERBS}(?:has|have|got)|has got) {ADVERBS}(?:an? )?(?:new )?{_A}(?::| of|,|, which is)? {_V}",
        event=True,
    ),
    rule(rf"(?:.+, )?(?P<value>[^,]+?) {BE}{_S}'s {_A}"),
    rule(rf"[Nn]othing beats (?P<value>.+?), {_S}'s {_A}"),
    rule(
        rf"{_A} (?:of|for) {_S}: ?{_V}".replace("(?P<attribute>", "(?i:(?P<attribute>", 1).replace(
            ")) (?:of", "))) (?:of", 1
        )
    ),
    rule(
        rf".+? {HAS}(?:changed|raised|cut|set|moved|updated) the {_A} (?:of|for) {_S} (?:from .+? )?to {_V}",
        event=True,
    ),
)
