"""What the command line says when something fails: one line with the reason, a line for each wrong field."""

from __future__ import annotations

import json
import sys

import typer
from rich.markup import escape

from memporium.cli._files import STORE_ERRORS
from memporium.cli._output import errors
from memporium.client import MemporiumError

# Exit statuses; they stand in `memporium --help`.
REFUSED, WRONG_USE, NOT_REACHED, NOT_WRITTEN, INTERRUPTED = 1, 2, 3, 4, 130
_ADVICE = {
    "CREDENTIAL_MISSING": "give a key: --key-file FILE, MEMPORIUM_API_KEY_FILE or MEMPORIUM_API_KEY",
    "ETAG_MISMATCH": "somebody else changed it: read it again",
}
_NOT_REACHED_CODES = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}

# The base of all errors of use; where it is defined differs between versions of typer.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def refused(error: MemporiumError, *, address: str, as_json: bool) -> int:
    """Print why a call failed; return the exit status."""
    absent = error.code in _NOT_REACHED_CODES and not error.reason
    if as_json:
        _print_json(error.code, error.reason, error.message, error.fields, error.metadata)
    elif error.code == "UNAVAILABLE" and not error.reason:
        _line("not reached", unreached(address, error.message))
    elif absent:
        _line("not reached", f"{address} gave no answer in time")
    else:
        _line("refused", str(error))
        for field, description in error.fields.items():
            errors.print(f"  {escape(field)}: {escape(description)}", soft_wrap=True)
        if error.retry_after_s is not None:
            errors.print(f"  again in {error.retry_after_s:g} s", soft_wrap=True)
        if error.reason in _ADVICE:
            errors.print(f"  {_ADVICE[error.reason]}", soft_wrap=True)
    return NOT_REACHED if absent else REFUSED


def unreached(address: str, message: str) -> str:
    """Return why nothing answers, by gRPC's own message: a platform that is not there, or TLS on one side alone."""
    if "handshake" in message.lower():
        return (
            f"TLS with {address} fails: the certificate is not of --ca-file or names another host, or there is no TLS"
        )
    if "Socket closed" in message or "Connection reset" in message:
        return f"{address} hung up; where it speaks TLS, name the authority of its certificate (--ca-file)"
    return f"nothing answers at {address}; start it (memporium serve), or name it (--address)"


def wrong_use(error: Exception, *, as_json: bool) -> int:
    """Print what is wrong with the command line; return the exit status."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "memporium"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(str(error) + "\n")
        return WRONG_USE
    message = " ".join(str(error.format_message()).split())  # type: ignore[attr-defined]
    if as_json:
        _print_json("INVALID_ARGUMENT", "WRONG_USE", message, {}, {})
    else:
        _line("wrong use", f"{message} (see {path} --help)")
    return WRONG_USE


def failed_locally(error: OSError, *, as_json: bool) -> int:
    """Print what a file of this machine would not do; return the exit status."""
    full = error.errno in STORE_ERRORS
    message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if full and not error.filename:
        message = f"the output: {error.strerror}"
    if as_json:
        _print_json("RESOURCE_EXHAUSTED" if full else "INVALID_ARGUMENT", "LOCAL_FILE", message, {}, {})
    else:
        _line("not written" if full else "wrong use", message)
    return NOT_WRITTEN if full else WRONG_USE


def _line(what: str, text: str) -> None:
    errors.print(f"[red]{what}[/red] {escape(' '.join(text.split()))}", soft_wrap=True)


def _print_json(code: str, reason: str, message: str, fields: dict[str, str], metadata: dict[str, str]) -> None:
    error = {"code": code, "reason": reason, "message": message, "fields": fields, "metadata": metadata}
    sys.stderr.write(json.dumps({"error": error}, ensure_ascii=False) + "\n")
