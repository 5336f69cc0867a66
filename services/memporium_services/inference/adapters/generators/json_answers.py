"""How endpoints are asked for JSON: by its schema, by the word alone, or not at all, as each of them understands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium_platform.errors import PlatformError

# Statuses that endpoints answer fields with that they do not know; llama-cpp-python's says that it has failed itself.
_NOT_KNOWN = frozenset({"400", "415", "422", "500", "501"})


class JsonForms:
    """Which form one endpoint takes: the first one that it answered to."""

    def __init__(self) -> None:
        """Begin with what holds an endpoint the closest."""
        self._first = 0

    def of(self, json_schema: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the forms that are left to try, each with its number: what is added to the request's body."""
        forms = _forms(json_schema)
        yield from list(enumerate(forms))[min(self._first, len(forms) - 1) :]

    def took(self, number: int, json_schema: str) -> None:
        """Note that a form was answered; later requests begin with it."""
        if json_schema:
            self._first = number

    def may_try(self, number: int, json_schema: str, error: PlatformError) -> bool:
        """Say whether an error before any text may come of the form, and another one is left."""
        return error.metadata.get("state") in _NOT_KNOWN and number + 1 < len(_forms(json_schema))


def _forms(json_schema: str) -> list[dict[str, Any]]:
    if not json_schema:
        return [{}]
    schema = json.loads(json_schema)
    by_schema = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    # `schema` beside it is how llama.cpp is told of one; who does not know it refuses or takes no notice.
    by_word = {"type": "json_object", "schema": schema}
    return [{"response_format": by_schema}, {"response_format": by_word}, {}]
