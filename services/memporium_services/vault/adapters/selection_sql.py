"""Compiles a selection to SQL conditions on cubes and units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, false, func, or_, select

from memporium_services.vault.adapters.tables import CUBE_TERMS, CUBES, UNITS
from memporium_services.vault.domain import selection as words
from memporium_services.vault.domain.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement

    from memporium_services.vault.domain.selection import Selection

    Condition = ColumnElement[bool]

_C = CUBES.c


def visible_to(reader: str) -> list[Condition]:
    """Return what hides unfinished imports, and other people's private cubes from `reader`."""
    found: list[Condition] = [_C.import_id == ""]
    if reader:
        found.append(or_(_C.scope != words.PRIVATE, _C.owner == reader))
    return found


def on_cubes(vault_uid: str, chosen: Selection, tokens: Callable[[str, str], str]) -> list[Condition]:
    """Return the conditions on rows of `cubes`."""
    found: list[Condition] = [_C.vault_uid == vault_uid, *visible_to(chosen.reader), _states(chosen)]
    columns = (
        (_C.semantic_type, chosen.semantic_types),
        (_C.form, chosen.forms),
        (_C.origin, chosen.origins),
        (_C.owner, chosen.owners),
        (_C.scope, chosen.scopes),
        (_C.tier, chosen.tiers),
        (_C.cube_id, chosen.cube_ids),
    )
    found += [column.in_(values) for column, values in columns if values]
    ranges = (
        (_C.create_us, chosen.create_min_us, chosen.create_max_us),
        (_C.update_us, chosen.update_min_us, chosen.update_max_us),
    )
    for column, low, high in ranges:
        if low is not None:
            found.append(column >= low)
        if high is not None:
            found.append(column < high)
    if chosen.newest_revision:
        found.append(_C.revision <= chosen.newest_revision)
    if chosen.newest_us is not None:
        found.append(_C.update_us <= chosen.newest_us)
    if chosen.min_priority:
        found.append(_C.priority >= chosen.min_priority)
    any_of = (
        (words.TAG, chosen.tags_any),
        (words.ENTITY, chosen.entities),
        (words.SOURCE, chosen.sources),
        (words.PERSONA, chosen.personas),
        (words.LANGUAGE, chosen.languages),
        (words.LABEL, chosen.labels_any),
        (words.AGREEMENT, chosen.agreements),
        (words.CLAIM, chosen.claims),
        *((words.TAG, (tag,)) for tag in chosen.tags_all),
    )
    found += [_carries(vault_uid, kind, asked, tokens) for kind, asked in any_of if asked]
    none_of = ((words.TAG, chosen.tags_none), (words.LABEL, chosen.labels_none))
    found += [~_carries(vault_uid, kind, asked, tokens) for kind, asked in none_of if asked]
    return found


def on_units(chosen: Selection, tokens: Callable[[str, str], str]) -> list[Condition]:
    """Return the further conditions on rows of `units`, joined with their cubes."""
    found: list[Condition] = []
    moment = func.coalesce(UNITS.c.event_us, _C.event_us)
    if chosen.event_min_us is not None:
        found.append(moment >= chosen.event_min_us)
    if chosen.event_max_us is not None:
        found.append(moment < chosen.event_max_us)
    if chosen.roles:
        found.append(UNITS.c.role.in_([tokens(words.ROLE, role) for role in chosen.roles]))
    return found


def has_unit(vault_uid: str, chosen: Selection, tokens: Callable[[str, str], str]) -> list[Condition]:
    """Return the unit conditions for lists of cubes: some unit meets them, or, for times, the cube itself does."""
    conditions = on_units(chosen, tokens)
    if not conditions:
        return []
    some = exists(
        select(UNITS.c.unit_id).where(UNITS.c.vault_uid == vault_uid, UNITS.c.cube_id == _C.cube_id, *conditions)
    )
    if chosen.roles:
        return [some]
    own: list[Condition] = [_C.event_us.is_not(None)]
    if chosen.event_min_us is not None:
        own.append(_C.event_us >= chosen.event_min_us)
    if chosen.event_max_us is not None:
        own.append(_C.event_us < chosen.event_max_us)
    return [or_(some, and_(*own))]


def _states(chosen: Selection) -> Condition:
    """Admit by state; a cube whose time is over counts as EXPIRED before the sweep has made it so."""
    overdue = and_(_C.expire_us.is_not(None), _C.expire_us <= chosen.now_us, _C.frozen.is_(False))
    if chosen.now_us == 0:
        return _C.state.in_(chosen.admitted_states)
    wanted = [state for state in chosen.admitted_states if state != State.EXPIRED]
    living = and_(_C.state.in_(wanted), ~overdue) if wanted else false()
    if int(State.EXPIRED) not in chosen.admitted_states:
        return living
    return or_(living, _C.state == int(State.EXPIRED), overdue)


def _carries(vault_uid: str, kind: str, asked: Sequence[str], tokens: Callable[[str, str], str]) -> Condition:
    term = CUBE_TERMS.c
    holders = select(term.cube_id).where(
        term.vault_uid == vault_uid, term.kind == kind, term.token.in_([tokens(kind, word) for word in asked])
    )
    return _C.cube_id.in_(holders)
