"""The canonical form of a text: two texts that have the same one say the same, word by word.

Only what cannot change the meaning is taken away, so that two texts which differ in a number, a name, a negation or the
order of words never have the same form:

    1. Letter case, blanks, quotation marks and punctuation; a question mark and every other symbol stay.
    2. Articles (not before `few`, `little`, `lot`, `couple`), and words that only introduce a statement (`note that`).
    3. Contractions are written out; American spelling becomes British; a few words have one form (`telephone`).
    4. Numbers in words up to twelve become digits; thousands lose their commas; dates become `2026-05-07`.
    5. A time or place that a comma sets before the sentence moves behind it (`In May, she left` as `she left in May`).
"""

from __future__ import annotations

import re
import unicodedata

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sep sept", "october oct", "november nov", "december dec"), 1,
    )
    for name in names.split()
}  # fmt: skip
_NUMBERS = dict(zip("two three four five six seven eight nine ten eleven twelve".split(), range(2, 13), strict=True))  # noqa: SIM905 - words
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = (
    re.compile(rf"\b{_DAY} (?:of )?{_MONTH},? {_YEAR}\b"),
    re.compile(rf"\b{_MONTH} (?:the )?{_DAY},? {_YEAR}\b"),
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]|\.\d)")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bshan't\b"), "shall not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"\b(it|that|there|here|what|who)'s (?=not |a |an |the )"), r"\1 is "),
)
_WORDS = {
    "favorite": "favourite", "favorites": "favourites", "color": "colour", "colors": "colours", "center": "centre",
    "theater": "theatre", "neighbor": "neighbour", "neighbors": "neighbours", "organization": "organisation",
    "gray": "grey", "traveled": "travelled", "traveling": "travelling", "telephone": "phone", "cellphone": "phone",
    "e-mail": "email",
}  # fmt: skip
_INTRODUCTION = re.compile(
    r"^(?:(?:please )?(?:note|remember|be aware|keep in mind)(?: that)?|(?:just )?(?:for your information|fyi|"
    r"by the way|btw)|as (?:you know|mentioned|noted)|it is (?:worth noting|known) that)[,:]? "
)
_FRONTED = re.compile(
    r"^((?:in|on|at|since|until|by|during|before|after|from) [^,;:.?!]{1,60}), (?!and |or |but )(.+)$"
)
# `A` inside a sentence may be a name: Plan A. After such a word it is none, in titles and in capitals.
_INNER_ARTICLE = re.compile(r" an? (?!few\b|little\b|lot\b|couple\b)(?=[^\W\d_])", re.IGNORECASE)
_BEFORE_ARTICLE = re.compile(
    r"\b(?:with|in|of|for|to|at|by|from|is|was|are|were|has|have|had|as|on|and|or|into|about|like|not)$", re.IGNORECASE
)
# Characters that decide about the word before: those of the longest, and one more.
_BEFORE = 6
_ARTICLE = re.compile(r"(?:\b(?:[Tt]he|THE|an?)|^(?:An?|AN)) (?!few\b|little\b|lot\b|couple\b)")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"'})
# A number with what belongs to it; a word; any symbol that is no ordinary punctuation.
_TOKEN = re.compile(
    r"[+-]?\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:[\w+#'-]*[\w+#])?|[^\s\w.,;:!'\"()\[\]\u2013\u2014\u2026*_`-]|\w+"
)
# The same in texts of ASCII alone, where classes of few characters are found much faster.
_ASCII_TOKEN = re.compile(
    r"[+-]?[0-9]+(?:[.,:/-][0-9]+)*|[a-z]+(?:[\w+#'-]*[\w+#])?|[^\s\w.,;:!'\"()\[\]*`-]|\w+", re.ASCII
)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
# What a sentence has that one of the contractions may be in.
_CONTRACTED = re.compile(r"n't\b|'(?:m|re|ve|ll|s)\b|cannot")
_FORMS = _WORDS | {word: str(number) for word, number in _NUMBERS.items()}


def canonical(text: str) -> str:
    """Return the canonical form of a text; "" where it says nothing."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return " | ".join(form for part in _END.split(plain) if (form := _sentence(part)))


def _sentence(part: str) -> str:
    words = " ".join(part.split()).strip(" \"'([")
    # Looking for what each pattern cannot do without is much cheaper than the pattern, and most sentences lack it.
    lower = words.lower()
    if " a " in lower or " an " in lower:
        words = _INNER_ARTICLE.sub(_without_article, words)
    if "the " in lower or "a " in lower or "an " in lower:
        words = _ARTICLE.sub("", words)
    words = _INTRODUCTION.sub("", words.casefold())
    if "19" in words or "20" in words:
        for pattern in _DATES:
            words = pattern.sub(_as_date, words)
    if "," in words:
        words = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), words)
        fronted = _FRONTED.match(words)
        if fronted:
            asks = "?" if words.endswith("?") else ""
            words = f"{fronted[2].rstrip('.!? ')} {fronted[1]}{asks}"
    if _CONTRACTED.search(words):
        for contraction, written in _CONTRACTIONS:
            words = contraction.sub(written, words)
    tokens = (_ASCII_TOKEN if words.isascii() else _TOKEN).findall(words)
    return " ".join([_FORMS.get(token, token) for token in tokens])


def _without_article(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - _BEFORE) : found.start()]
    return " " if _BEFORE_ARTICLE.search(before) else found.group()


def _as_date(found: re.Match[str]) -> str:
    return f"{found['year']}-{_MONTHS[found['month']]:02}-{int(found['day']):02}"
