"""The carriers in words: pairs that say the same, and where each may stand for the other.

A rule is `forms | guards`. Forms are `a~b` (either way) or `a>b` (only an `a` of the original may become a `b`); `_`
stands for a space; a form belongs to one class. A guard is `position mode words`: position counts words from the
carrier (-1 the one before, +1 the one after), mode `=` demands one of the words and `!` forbids them, `>` or `<` in
front restricts it to replacing the left by the right form or the right by the left; words in capitals are a set of
`SETS`; `*` is any word of the same phrase, `.` is the end of the phrase. No rule touches a negation, a name, a number's
value or a unit; `guards.py` adds what holds for all.

Nouns, verbs of content and spellings are left out: a search for `movie` finds no `film`. With such pairs (one slot in
eight of a dialogue) lexical retrieval lost five times as much as with all others together (`bench_trace_quality`).
"""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """Return the words of a line as a set."""
    return frozenset(words.split())


_COPULAS = (
    "is 's are 're was were am 'm be been feel feels felt sounds sound looks look seems seem so really very pretty"
)

SETS: dict[str, frozenset[str]] = {
    "ADJ": word_set(
        "amazing awesome bad beautiful big bright brave busy calm careful cheap clear close cold common complex cool "
        "creative crucial cute dark deep delicious different difficult easy emotional encouraging excited exciting "
        "expensive familiar fast fine fresh friendly fun funny generous gentle good gorgeous grateful great happy hard "
        "healthy heavy helpful high hot huge important impressed impressive inspiring intense interested interesting "
        "kind large long lovely loud lucky meaningful motivating nervous new nice old passionate peaceful poor popular "
        "positive powerful proud quick quiet rare relaxing rewarding rich sad safe satisfying scary serious sick "
        "similar simple slow small smart smooth soft special strange stressful strong supportive sweet talented tall "
        "thankful therapeutic tired tough unique useful valuable warm wide wise wonderful young"
    ),
    "COP": word_set(_COPULAS),
    "DET": word_set("a an the this that these those my your his her our their its some any"),
    "POSS": word_set("my your his her our their"),
    "SUBJ": word_set("i we you they he she it who"),
    "MODAL": word_set("to can could will would should might may must 'll and i we you they"),
    "VERB": word_set(
        "add ask be become begin bring build buy call change check come continue cook create do draw eat enjoy explore "
        "feel find finish focus get give go grow have hear help invite join keep know learn leave let look love make "
        "meet miss need organize paint plan play pursue put read relax remember ride run say see send share show sing "
        "start stay stop study support take talk teach tell think travel try turn use visit volunteer wait walk watch "
        "win work write"
    ),
    # What stands before a `that` which is no relative pronoun, or before a `which` that follows its preposition.
    "RELATIVE": word_set(
        "and or but so if because all is are was know think hope say said see sure mean in of to for from by on with "
        "at through under into note requires means"
    ),
    "NUM": word_set("two three four five six seven eight nine ten eleven twelve"),
    "AFTERVERB": word_set("a an my our your their the this to with in on at when it making working"),
}

# Pairs of talk.
_TALK = """
really~very | +1=ADJ
maybe~perhaps
probably~likely | <-1=SUBJ,will,'ll,would,is,'s,are,'re,was,were,'m,am ; +1=*
definitely~certainly | +1=*
totally~completely
especially~particularly
exactly~precisely | +1=*
nearly~almost | +1=*
basically~essentially
currently~presently
usually~typically
normally~ordinarily | +1=*
often~frequently | -1!how,more,most,very,so,quite
quickly~rapidly | -1!as,so
sometimes~at_times
again~once_more | -1!once,yet,and,never,over
a_lot_of~lots_of | -1!such,quite,what
a_lot~a_great_deal | +1!of,like,more,less,better,easier ; -1!quite,not,whole
a_bit~a_little | >+1!of ; <+1=ADJ,nervous,overwhelmed,about,more,later,time
kind_of~sort_of
kinds_of~sorts_of
kinda~sorta
pretty~fairly | +1=ADJ ; -1!a,not
super~extremely | +1=ADJ ; -1!a
quite~rather | +1=ADJ ; -1!not ; <-1!would,'d
need_to~have_to | -1=i,we,you,they,will,'ll ; +1=VERB
needs_to~has_to | -1=SUBJ,that,this ; +1=VERB
yeah~yes | +1!please
okay~ok
thanks~thank_you | -1!many,my,no,of,the,with,to,say,saying,give,huge,big,in ; +1!giving,to
hey~hi
wow~whoa
awesome~amazing | +1!grace
fantastic~wonderful
beautiful~lovely
incredible~unbelievable
cool~neat | -1=COP,that,pretty ; +1!down,off,air,water,breeze,and
glad~happy | -1='m,am,was,'re,are,so,really,very,is,'s ; +1=to,that,you,i,we,it,they
tough~difficult | -1!a,not ; +1!guy,love,cookie
crucial~vital
whole~entire | -1=the,my,our,this,that,your,their,his,her ; +1!lot,bunch,milk,wheat,foods,grain
easy~simple | -1=COP,it,an,not ; +1=to
tries~attempts | -1=he,she,it,who,that,which,also ; +1=to
tried~attempted trying~attempting | +1=to
try~attempt | -1!a,good,another,first,next,every ; +1=to
think~believe | -1=i,we,they,you,really ; +1=it,i,we,they,he,she,that,this,you,'s ; >-2!do,did
guess~suppose | -1=i ; +1=i,it,we,you,that,so,they
others~other_people | >-1!the,each,among,these,those,any,all,two,and,three,few,many,some,most
because>since | +1!of ; -1!just,only,mostly,partly
although~though | -1!even,as ; <+1=i,we,they,he,she,it,the,there,my ; >+1=*
until~till | +1=*
toward~towards
afterward~afterwards
next_to~beside | -1!up,right ; +1=*
right_now~at_the_moment
these_days~nowadays
by_the_way~incidentally
all_the_time~constantly
every_now_and_then~every_so_often
more_and_more~increasingly | +1=ADJ
at_first~initially
in_the_end~ultimately
as_if~as_though
good_luck~best_of_luck | -1!a,for,some
let_me_know~tell_me
have_a_look~take_a_look
a_ton_of~tons_of
looks_like~seems_like | -1=it,that,this
such_as>like
so_far~thus_far
instead_of~rather_than | +1=*
due_to~owing_to | -1!is,are,was,were,be,'s
because_of~on_account_of | -1!just,mostly
for_example~for_instance | <+1=.
"""

# Pairs of reference and business prose.
_PROSE = """
allows~permits allow~permit allowed~permitted allowing~permitting | -1!not
use~utilize | -1=to,can,may,will,should,must,also,and ; +1=DET,it,them
uses~utilizes | -1=it,that,which,also,this,he,she ; +1=DET
using~utilizing | +1=DET
used~utilized | -1!get,got,getting,'m,'re ; +1=by,in,as,for,with
ensure~make_sure | -1=to,must,should,will,can,and ; +1=that,you,the
ensures~makes_sure | +1=that,the
provides~offers | -1!not ; +1=a,an,the,some,several,many,access,support
called~invoked | -1=is,are,be,being,was,when ; +1=when,by,with,on,after,before,once,for
given~specified | -1=the,is,are,if,was,be ; +1!that,name,a,to,by,up,below,above
omitted~left_out | -1=is,are,be,was,were,been
encountered~met | -1=is,are,be,was,were
if~whether | -1=see,know,wonder,wondering,ask,asked,check,checks,determine,determines,decide,sure,test,tests,tell
note_that~observe_that
is_equivalent_to~is_the_same_as
consists_of~is_made_up_of
therefore~thus
however~nevertheless | +1!much,many,long
in_addition~additionally | +1!to
additional~extra | +1!curricular
previous~prior | -1=the,a,any,this,these,your
particular~specific | -1!in
immediately~at_once | -1!almost
explicitly~expressly
generally~in_general | -1!more,most
possibly~potentially
roughly~approximately
mainly~chiefly
mostly~largely
entirely~wholly
while~whilst | -1!a,worth,for,all,the,of,in,every,`,once,little ; +1!statement,loop,statements,loops,back,ago
among~amongst
upon~on | -1!depending,based,rely,once,call,called ; <-1=depends,depend,based,depending,relies,rely ; +1=DET
onto~on_to | -1!go,went,move,moved,going,hold,log,hang,held
each~every | -1=for,of,in,to,with,on,that,and ; +1!other,others,of,one,time,and,is,has,now,so,single,possible
in_order_to~so_as_to
several~a_number_of | -1!the,these,those,his,my,such
at_the_same_time~simultaneously
requires~needs | -1!which,not ; +1=a,an,the,two,three
via~by_means_of | +1=DET
regarding~concerning | +1=*
nonetheless~even_so
that_are~which_are that_can~which_can that_may~which_may | -1!RELATIVE ; -1=* ; +1=*
that_has~which_has that_have~which_have | -1!RELATIVE ; -1=* ; +1=*
shown~displayed | -1=is,are,be,was,were
except_for~apart_from | +1=*
"""


def rules() -> list[str]:
    """Return every rule, one a string."""
    return [line for block in (_TALK, _PROSE) for line in block.strip().splitlines()]
