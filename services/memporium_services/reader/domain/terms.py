"""Words of a text as stems without stop words: for telling topics, covering questions and finding new words."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_STOP_WORDS = frozenset(
    # ruff: noqa: SIM905 - a list of words
    "a about above after again all also am an and any are as at be been before being both but by can could did do does "
    "doing done down during each few for from further get got had has have having he her here hers him his how i if in "
    "into is it its just let like me more most much my no nor not of off oh ok on once only or other our out over own "
    "really s same she should so some such t than that the their them then there these they this those through to too "
    "under until up us very was we were what when where which while who whom whose why will with would yeah yes you "
    "your hey hi wow thanks thank".split()
)  # fmt: skip
# Words that everybody uses of everything: no topics.
COMMON = frozenset(
    "able absolutely actually almost already although always amazing another anything around away awesome awhile back "
    "beautiful become been believe best better bring brought came chance check come coming cool couple course crazy "
    "day days definitely different enjoy even ever every everyone everything excited exciting fantastic feel feeling "
    "feels felt finally find fine first found friend friends full fun gave getting give gives giving glad goes going "
    "gonna good gotta great guess hang happen happened happy hard hear heard help helped helps here hits hold hope "
    "hoping huge idea important incredible interesting journey keep kept kind knew know last late later learn learned "
    "learning least left lets life little live long look looked looking looks lots love loved lovely loving made make "
    "makes making many mark matter maybe mean means meet memories moment months morning need needed never nice night "
    "nothing often open part past people perfect person photo picture place plan planning plans pretty proud putting "
    "quite ready real remember right said say saying says seeing seems seen share shared shares sharing should show "
    "showed shows simple since someone something sometimes soon sound sounds special spend spent start started stay "
    "step still stuff super support supportive sure take taken takes taking talk talking tell than there thing things "
    "think thinking thought time times today together tonight took totally tried true truly trying turn turned "
    "understand used using want wanted ways week weekend weeks well went were when where whole without wonder "
    "wonderful word words work worked working works world worth year years yesterday yours".split()
)
_STEMMER = snowballstemmer.stemmer("english")
_LONGEST = 64


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    bare = word.replace("\u2019", "'")
    head = bare.split("'", 1)[0]
    if bare in _STOP_WORDS or head in _STOP_WORDS:
        return ""
    return str(_STEMMER.stemWord(head[:_LONGEST]))


def terms(text: str) -> list[str]:
    """Return the stems of a text in order, with repeats."""
    return [stem for word in _WORD.findall(text.lower()) if (stem := _stem(word))]


def words_and_stems(text: str) -> list[tuple[str, str]]:
    """Return the words of a text that are no stop words, in lower case, each with its stem."""
    return [(word, stem) for word in _WORD.findall(text.lower()) if (stem := _stem(word))]
