"""What a text has at least where personal data of a kind may be in it.

To look for that is some hundred times cheaper than Presidio's recognisers, and most texts have most of it not. Each
condition follows from the patterns of the kind's recogniser: where it does not hold, the recogniser finds nothing.
"""

from __future__ import annotations

import re
from functools import cache

# Kinds that are not listed here may be anywhere.
_LEAST = {
    "EMAIL_ADDRESS": r"@",
    "IP_ADDRESS": r"\d\.\d|::|(?:[0-9A-Fa-f]{1,4}:){6}",
    "MAC_ADDRESS": r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.",
    # Between two digits stand at most four signs and two brackets. Valid numbers of four digits are German, and these;
    # digits of other scripts are not told apart here.
    "PHONE_NUMBER": r"\d(?:\D{0,8}\d){4}|1\D{0,8}6\D{0,8}[48]\D{0,8}\d|(?![0-9])\d",
    "CREDIT_CARD": r"\d(?:[- ]?\d){12}",
    "IBAN_CODE": r"[A-Z]{2}[0-9]{2}",
    "US_SSN": r"[0-9](?:[- .]?[0-9]){8}",
    "US_ITIN": r"\d(?:[- ]?\d){8}",
    "UK_NHS": r"[0-9](?:[- ]?[0-9]){9}",
    "US_PASSPORT": r"[0-9]{8}",
    "US_BANK_NUMBER": r"[0-9]{8}",
    "MEDICAL_LICENSE": r"\d{7}",
    "CRYPTO": r"\w{26}",
    # A letter beside a digit, a bracket by a slip in one of the patterns, or six digits.
    "US_DRIVER_LICENSE": r"[^\W\d_\]][0-9]|\][0-9]|[0-9][^\W\d_]|[0-9]{6}",
}
_SUFFIXES = re.compile(r"\(\?:([^()|]+)\)")


@cache
def _conditions() -> dict[str, re.Pattern[str]]:
    """Return the conditions by kind; that of a URL has the suffixes which its recogniser knows."""
    from presidio_analyzer.predefined_recognizers import UrlRecognizer

    suffixes = "|".join(_SUFFIXES.findall(UrlRecognizer.BASE_URL_REGEX))
    url = re.compile(rf"[.](?:{suffixes})", re.IGNORECASE)
    return {kind: re.compile(least) for kind, least in _LEAST.items()} | {"URL": url}


def possible(text: str, entities: list[str]) -> list[str]:
    """Return those of the kinds that may be in a text."""
    conditions = _conditions()
    return [kind for kind in entities if kind not in conditions or conditions[kind].search(text)]
