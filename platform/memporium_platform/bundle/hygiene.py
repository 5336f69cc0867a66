"""Texts of others without what a reader cannot see: hidden characters carry instructions to models, and watermarks."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

# Default_Ignorable_Code_Point of Unicode (DerivedCoreProperties.txt) outside of category Cf: joiners, fillers,
# variation selectors, and the unassigned rest of their blocks.
_IGNORABLE = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2065, 0x2065),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),
)
# Control characters that texts do have: tab, line feed, carriage return.
_KEPT = {0x09, 0x0A, 0x0D}


@cache
def _hidden() -> re.Pattern[str]:
    """Return what matches a hidden character; made when first needed, since it looks at all of Unicode."""
    hidden = [
        code
        for code in range(sys.maxunicode + 1)
        if code not in _KEPT and unicodedata.category(chr(code)) in {"Cf", "Cc"}
    ]
    spans: list[list[int]] = [list(span) for span in _IGNORABLE]
    for code in hidden:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    ranges = "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in spans)
    return re.compile(f"[{ranges}]")


def visible(text: str) -> tuple[str, int]:
    """Return `text` without hidden characters, and how many there were."""
    if text.isascii() and text.isprintable():
        return text, 0
    return _hidden().subn("", text)
