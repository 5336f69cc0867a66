"""Cleans text that strangers wrote: nothing invisible is kept, nothing visible is lost."""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"[^\S\n]+")
_UNUSUAL = re.compile(r"[^\t\n -~]")
_NEWLINES = re.compile(r"\s*\n\s*")
# Joiners that Persian, Indic scripts and emoji need; every other format character can hide text from a reader's eye.
_JOINERS = frozenset("\u200c\u200d")
# Separators that count as line ends.
_LINE_ENDS = frozenset("\n\r\u2028\u2029\x0b\x0c\x85")


def clean(text: str) -> str:
    """Return text in NFC without control, format and unassigned characters, with single spaces and line ends."""
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text).strip()
    kept = "".join(map(_visible, unicodedata.normalize("NFC", text)))
    return _NEWLINES.sub("\n", _SPACES.sub(" ", kept)).strip()


def clean_text(text: str) -> str:
    """Return a document's text cleaned, its line ends as newlines, its blank lines and indents kept."""
    kept = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return _UNUSUAL.sub(lambda match: _visible(match.group()), kept)


def clean_line(text: str) -> str:
    """Return `clean` text as one line."""
    return clean(text).replace("\n", " ")


def _visible(char: str) -> str:
    if char in _LINE_ENDS:
        return "\n"
    category = unicodedata.category(char)
    if category[0] != "C" or char in _JOINERS:
        return char
    return " " if category == "Cc" else ""
