"""Words of a text as stems without stop words: for telling topics, covering questions and finding new words."""

from __future__ import annotations

import re
import threading

import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
# The same in a text of ASCII in lower case. There all that no word has becomes a blank, and only what is around an
# apostrophe is searched: to split at blanks takes a quarter of the time.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)?")
_BLANKED = bytes(char if chr(char) in "abcdefghijklmnopqrstuvwxyz0123456789'" else ord(" ") for char in range(256))
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
    "able absolutely accept acceptance actually adorable almost already although always amazing another anyone "
    "anything anytime anyway appreciate appreciated around away awesome awhile back beautiful become been believe "
    "best better blessed blessing bring bringing brings brought bunch calm calming came capture captured captures "
    "catch caught challenge challenges challenging chance chat check checked choose chose chosen come coming congrats "
    "congratulations cool couple course crazy currently cute day days decide decided definitely difference different "
    "encourage encouragement encouraging enjoy especially even ever every everyone everything exactly excited "
    "exciting express expressing fantastic feel feeling feels felt finally find fine finish finished first folks "
    "forward found friend friends front full fun gave getting give gives giving glad goes going gonna good gorgeous "
    "gotta grateful great group guess guys half hang happen happened happy hard hear heard heart hearts help helped "
    "helps here hits hold hope hopefully hoping hour hours huge idea image images impact important impressive "
    "incredible inside inspiration inspire inspired inspires inspiring interesting involve involved join joined "
    "journey joy joyful keep kept kind kindness knew know last late later laugh learn learned learning least leave "
    "leaving left lets life listen listened listening little live long look looked looking looks lots love loved "
    "lovely loving made make makes making many mark matter maybe mean means meet memories memory minute minutes "
    "moment moments months morning move moved moving must need needed never nice nicely night nothing often open "
    "opened order outside part passed passion passionate past peace peaceful people perfect person photo pick picked "
    "picture pictures piece pieces place plan planning plans point positive possibilities possibility possible posted "
    "power powerful pretty pride probably proud push pushing putting quite reach reached ready real recently remember "
    "remind reminded reminder reminding reminds rest result right room said say saying says seeing seem seems seen "
    "self send sent set sets setting share shared shares sharing should show showed shows side sight sign simple "
    "since sitting situation someday someone something sometimes soon sorry sorts soul sound sounds special spend "
    "spent spot spread standing start started stay step steps stick still strength strong stronger struggle struggles "
    "stuck stuff stunning super support supportive sure surprise surprised sweet take taken takes taking talk talking "
    "taught tell than thank thankful there thing things think thinking thought time times today together tomorrow "
    "tonight took totally tough treat tried true truly truth try trying turn turned understand upset used using "
    "usually vibe vibes visit visited wait waiting walk want wanted watch watched watching ways wear wearing week "
    "weekend weeks well went were whatever when whenever where wherever whole wish wishing without won wonder "
    "wonderful wondering word words work worked working works world worry worth wow write wrote year years yesterday "
    "yet yours".split()
)
_STEMMER = snowballstemmer.stemmer("english")
_STEMMING = threading.Lock()
_LONGEST = 64
# Some 12 MB of words.
_MOST_STEMS = 100_000


class _Stems(dict[str, str]):
    """Stems of words met before; "" of stop words. To look one up takes half the time of a cached call."""

    def __missing__(self, word: str) -> str:
        # The stemmer works on a text of its own: one word at a time.
        with _STEMMING:
            if len(self) >= _MOST_STEMS:
                self.clear()
            stem = self[word] = _stem(word)
        return stem


_STEMS = _Stems()


def _stem(word: str) -> str:
    bare = word.replace("\u2019", "'")
    head = bare.split("'", 1)[0]
    if bare in _STOP_WORDS or head in _STOP_WORDS:
        return ""
    return str(_STEMMER.stemWord(head[:_LONGEST]))


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    lower = text.lower()
    if not lower.isascii():
        return _WORD.findall(lower)
    words = lower.encode().translate(_BLANKED).decode().split()
    if "'" not in lower:
        return words
    return [part for word in words for part in (_ASCII_WORD.findall(word) if "'" in word else (word,))]


def terms(text: str) -> list[str]:
    """Return the stems of a text in order, with repeats."""
    return list(filter(None, map(_STEMS.__getitem__, _words(text))))


def words_and_stems(text: str) -> list[tuple[str, str]]:
    """Return the words of a text that are no stop words, in lower case, each with its stem."""
    return [(word, stem) for word in _words(text) if (stem := _STEMS[word])]
