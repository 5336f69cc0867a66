"""Structured logs: events with keys and values, never payloads, keys or tokens."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import maybe_call

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any, TextIO

    from memporium_platform.settings import PlatformSettings

# Keys whose values never reach a log, whoever passes them.
_SECRET_KEYS = frozenset(
    {"authorization", "bearer", "token", "key", "api_key", "secret", "password", "payload", "text", "request"}
)
_MASK = "********"


def mask_secrets(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask the values of keys that may hold a secret or a payload (a structlog processor)."""
    for key in event.keys() & _SECRET_KEYS:
        event[key] = _MASK
    return event


def add_call(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add who and what of the call in progress (a structlog processor)."""
    call = maybe_call()
    if call is not None:
        event.setdefault("principal", call.principal.name)
        if call.action:
            event.setdefault("action", call.action)
        if call.root_id:
            event.setdefault("root_id", call.root_id)
    return event


class _Lines:
    """A stream that takes what it can: where the disk under the log is full, the calls that are logged go on."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()


def configure(settings: PlatformSettings, *, stream: TextIO | None = None) -> None:
    """Set up logging for the process; lines go to standard error."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    out = stream or sys.stderr
    lines: Any = _Lines(out)
    # Passing the stack and local variables on would pass payloads on: only the traceback's lines are shown.
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    processors: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_call,
        mask_secrets,
    ]
    if settings.log_json:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=lines),
        cache_logger_on_first_use=False,
    )
