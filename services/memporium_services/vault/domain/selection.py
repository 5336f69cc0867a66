"""What a filter asks for, as plain values; how it is asked of a store is the adapter's matter."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from memporium_services.vault.domain.lifecycle import State

# Kinds of words that are kept keyed beside a cube, so that filters can ask for them.
TAG, ENTITY, SOURCE, PERSONA, LANGUAGE, LABEL, AGREEMENT, BAND, CLAIM, SAME = (
    "tag", "entity", "source", "persona", "language", "label", "agreement", "band", "claim", "same",
)  # fmt: skip
ROLE = "role"

PRIVATE = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that must all hold; an empty one admits all. Times in microseconds, `_max` exclusive.

    Attributes:
        reader: The principal who asks: sees PRIVATE cubes only where it owns them. "" sees all; for housekeeping.
        now_us: Cubes whose life ended before are EXPIRED, whether or not the sweep has been there; 0: as it was noted.
        newest_revision: Only cubes that have not changed since this revision of the vault; 0: all.
        newest_us: Only cubes that have not changed since this time.
    """

    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    states: tuple[int, ...] = ()
    semantic_types: tuple[int, ...] = ()
    forms: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()
    entities: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    labels_any: tuple[str, ...] = ()
    labels_none: tuple[str, ...] = ()
    create_min_us: int | None = None
    create_max_us: int | None = None
    update_min_us: int | None = None
    update_max_us: int | None = None
    event_min_us: int | None = None
    event_max_us: int | None = None
    min_priority: int = 0
    scopes: tuple[int, ...] = ()
    tiers: tuple[int, ...] = ()
    cube_ids: tuple[str, ...] = ()
    agreements: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    newest_revision: int = 0
    newest_us: int | None = None
    reader: str = ""
    now_us: int = 0

    @property
    def unconditional(self) -> bool:
        """Whether nothing but the reader and the default states decides."""
        return replace(self, reader="", now_us=0) == _NOTHING

    @property
    def admitted_states(self) -> tuple[int, ...]:
        """The states to admit: those asked for, else all but EXPIRED."""
        live = (State.GENERATED, State.ACTIVATED, State.MERGED, State.ARCHIVED)
        return self.states or tuple(int(state) for state in live)

    def key(self) -> tuple[object, ...]:
        """Return what tells this selection from others, without the time."""
        return tuple(getattr(self, field.name) for field in fields(self) if field.name != "now_us")


_NOTHING = Selection()
