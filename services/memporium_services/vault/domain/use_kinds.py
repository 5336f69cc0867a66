"""Kinds of use that a cube's uses are counted by: `read`, `retrieve`, `use`, `export`, and exports for a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Taken into a bundle: remembered, so that a receipt can say so, but no sign that anybody needs the memory.
EXPORTED = "export"
# Before the name of the listing that it was taken for.
_FOR = f"{EXPORTED}:"


def exported_for(listing: str) -> str:
    """Return the kind of use that says for which listing something was exported."""
    return f"{_FOR}{listing}"


def is_export(kind: str) -> bool:
    """Say whether a kind of use is an export."""
    return kind == EXPORTED or kind.startswith(_FOR)


def listings_in(kinds: Iterable[str]) -> set[str]:
    """Return the listings that a cube was exported for."""
    return {kind.removeprefix(_FOR) for kind in kinds if kind.startswith(_FOR)}


def shown_uses(uses: Mapping[str, int]) -> dict[str, int]:
    """Return what is told of a cube's uses: how often each kind was, and not for whom."""
    return {kind: count for kind, count in uses.items() if not kind.startswith(_FOR)}
