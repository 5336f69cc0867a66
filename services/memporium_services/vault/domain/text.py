"""Text analysis: from text to the terms that are indexed and asked for; the same for both.

NFKC, characters that show nothing removed, case folded, words of letters and digits, stop words dropped, Snowball
stems. English unless another language is named that Snowball knows; scripts without spaces are cut into bigrams.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

import snowballstemmer

# Words that say nothing alone. Question words stay out of the list where they carry meaning in memory ("when", "who"
# do not: answers do not hold them).
STOP_WORDS_EN = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "against",
        "all",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "being",
        "below",
        "between",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "don",
        "down",
        "during",
        "each",
        "few",
        "for",
        "from",
        "further",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "herself",
        "him",
        "himself",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "itself",
        "just",
        "me",
        "more",
        "most",
        "my",
        "myself",
        "no",
        "nor",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "only",
        "or",
        "other",
        "our",
        "ours",
        "ourselves",
        "out",
        "over",
        "own",
        "s",
        "same",
        "she",
        "should",
        "so",
        "some",
        "such",
        "t",
        "than",
        "that",
        "the",
        "their",
        "theirs",
        "them",
        "themselves",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "very",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "yours",
        "yourself",
        "yourselves",
        "ll",
        "re",
        "ve",
        "d",
        "m",
    ]
)

_LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
# The same in lower-case ASCII, where a class of few characters is found much faster.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)?")
# Scripts that are written without spaces: Han, kana, Thai, Lao, Khmer, Burmese.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
_MAX_TERM_CHARS = 64


def terms_of(text: str, language: str = "") -> list[str]:
    """Return the analysed terms of a text in order, with repeats.

    Args:
        text: Any text.
        language: BCP 47 tag; empty or unknown: English.
    """
    stem = _stemmer(_LANGUAGES.get(language.split("-", 1)[0].lower(), "english"))
    if text.isascii():
        return [term for term in map(stem, _ASCII_WORD.findall(text.lower())) if term]
    folded = _fold(text)
    if not _UNSPACED.search(folded):
        return [term for term in map(stem, _WORD.findall(folded)) if term]
    found: list[str] = []
    for word in _WORD.findall(folded):
        if _UNSPACED.search(word):
            found.extend(_bigrams(word))
        elif term := stem(word):
            found.append(term)
    return found


def _fold(text: str) -> str:
    # Folding takes some letters apart again, and a mark on its own would end the word.
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in normal if unicodedata.category(char) != "Cf")


def _bigrams(word: str) -> list[str]:
    return [word] if len(word) == 1 else [word[index : index + 2] for index in range(len(word) - 1)]


@lru_cache(maxsize=32)
def _stemmer(language: str) -> Any:
    engine = snowballstemmer.stemmer(language)
    stops = STOP_WORDS_EN if language == "english" else frozenset()

    @lru_cache(maxsize=100_000)
    def stem(word: str) -> str:
        bare = word.replace("\u2019", "'")
        if bare in stops or bare.removesuffix("'s") in stops or bare.split("'", 1)[0] in stops:
            return ""
        return str(engine.stemWord(bare.removesuffix("'s").replace("'", "")))[:_MAX_TERM_CHARS]

    return stem
