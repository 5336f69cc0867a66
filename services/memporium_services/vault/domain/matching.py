"""Asks a filter of one cube as it was: the same conditions that a store compiles, for content it no longer indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from memporium_services.vault.domain.selection import Selection


# Fields of which a cube must have any that is asked for.
_ANY_OF = ("entities", "roles", "sources", "owners", "personas", "languages", "cube_ids", "agreements", "claims")


class Told:
    """What a filter may ask of a cube; times in microseconds.

    Attributes:
        words: By field of the selection, without `_any`, `_all` and `_none`.
        numbers: By field of the selection.
        moments: Of its units, else its own.
    """

    __slots__ = ("create_us", "moments", "numbers", "priority", "update_us", "words")

    def __init__(
        self,
        words: dict[str, Collection[str]],
        numbers: dict[str, int],
        moments: Sequence[int],
        *,
        create_us: int,
        update_us: int,
        priority: int,
    ) -> None:
        """Take what is told."""
        self.words, self.numbers, self.moments = words, numbers, moments
        self.create_us, self.update_us, self.priority = create_us, update_us, priority


def admits(selection: Selection, told: Told) -> bool:
    """Return whether the selection admits such a cube."""
    words, numbers = told.words, told.numbers
    for field in _ANY_OF:
        asked = getattr(selection, field)
        if asked and not set(asked).intersection(words[field]):
            return False
    if numbers["states"] not in selection.admitted_states:
        return False
    for field in ("semantic_types", "forms", "origins", "scopes", "tiers"):
        asked = getattr(selection, field)
        if asked and numbers[field] not in asked:
            return False
    tags, labels = set(words["tags"]), set(words["labels"])
    return (
        tags.issuperset(selection.tags_all)
        and (not selection.tags_any or not tags.isdisjoint(selection.tags_any))
        and tags.isdisjoint(selection.tags_none)
        and (not selection.labels_any or not labels.isdisjoint(selection.labels_any))
        and labels.isdisjoint(selection.labels_none)
        and _within(told.create_us, selection.create_min_us, selection.create_max_us)
        and _within(told.update_us, selection.update_min_us, selection.update_max_us)
        and _happened(told.moments, selection.event_min_us, selection.event_max_us)
        and told.priority >= selection.min_priority
    )


def _within(moment: int, low: int | None, high: int | None) -> bool:
    return (low is None or moment >= low) and (high is None or moment < high)


def _happened(moments: Sequence[int], low: int | None, high: int | None) -> bool:
    return (low is None and high is None) or any(_within(moment, low, high) for moment in moments)
