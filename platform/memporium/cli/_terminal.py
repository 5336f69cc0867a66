"""What the terminal gives and takes: arguments of any bytes, and output that fits its encoding."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

from memporium.cli._failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def readable(given: Sequence[str]) -> list[str]:
    """Return the arguments as text, also where the locale is not that of the shell that wrote them.

    Raises:
        UsageError: One is no text in UTF-8, so it could not be sent.
    """
    return [_text(one) for one in given]


def _text(one: str) -> str:
    if one.isascii():
        return one
    # Bytes that Python could not decode by the locale stand in it as lone surrogates.
    try:
        return os.fsencode(one).decode() if any("\udc80" <= char <= "\udcff" for char in one) else one
    except UnicodeDecodeError as error:
        raise UsageError(f"an argument is not UTF-8: {os.fsencode(one)!r}") from error


def open_closed() -> None:
    """Give standard streams that were closed a place that holds nothing: another file would be opened as theirs."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number and _is_closed(number):
                os.dup2(opened, number)
                os.close(opened)
                opened = number
            setattr(sys, name, os.fdopen(opened, mode, encoding="utf-8"))


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def give_up_output() -> None:
    """Let nothing more go to the standard output where it takes nothing, so that the end of Python does not fail."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fit_output(*, as_json: bool) -> None:
    """Let what the terminal cannot show be escaped rather than end the command; JSON is UTF-8 everywhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            if as_json:
                stream.reconfigure(encoding="utf-8")
            else:
                stream.reconfigure(errors="backslashreplace")
