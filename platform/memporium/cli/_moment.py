"""Times as people give them to commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp


def moment(text: str, option: str = "--as-of") -> Timestamp:
    """Return a time in ISO 8601; one without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("must be a time such as 2026-01-31T12:00:00Z", param_hint=option) from error
    stamp = Timestamp()
    stamp.FromDatetime(found if found.tzinfo else found.replace(tzinfo=UTC))
    return stamp


def read_at(revision: int, time: str) -> dict[str, Any]:
    """Return the fields of a request that reads as of a revision or a time; none: of now."""
    fields: dict[str, Any] = {"read_revision": revision} if revision else {}
    return fields | ({"read_time": moment(time, "--time")} if time else {})
