from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from memporium_services.vault.app.found_rows import FoundRows
from memporium_services.vault.domain.rows import ChangeRow, FoundUnit, VaultRow


def _vault(revision: int, *, uid: str = "v", floor: int = 0) -> VaultRow:
    return VaultRow(uid, "acme", uid, 1, False, "", "me", "m", b"", 0, 0, revision=revision, changes_floor=floor)


@dataclass
class _Store:
    """A vault's units and its log of changes."""

    rows: dict[int, FoundUnit] = field(default_factory=dict)
    log: list[ChangeRow] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    revision: int = 0

    def found_units(self, _vault_uid: str, unit_ids: list[int]) -> list[FoundUnit]:
        self.read += unit_ids
        return [self.rows[unit_id] for unit_id in unit_ids if unit_id in self.rows]

    def found_contents(self, vault_uid: str, unit_ids: list[int]) -> list[tuple[FoundUnit, bytes]]:
        return [(row, b"%d" % row.unit_id) for row in self.found_units(vault_uid, unit_ids)]

    def changes(self, _vault_uid: str, *, from_revision: int, limit: int) -> list[ChangeRow]:
        return [one for one in self.log if one.revision >= from_revision][:limit]

    def change(self, cube_id: str, rows: list[FoundUnit]) -> None:
        self.revision += 1
        self.rows = {unit_id: row for unit_id, row in self.rows.items() if row.cube_id != cube_id}
        self.rows |= {row.unit_id: row for row in rows}
        self.log.append(ChangeRow(self.revision, cube_id, 1, 0))


def _unit(unit_id: int, cube: str, version: int = 1) -> FoundUnit:
    return FoundUnit(unit_id, cube, 0, f"uid-{cube}", version, 1, 2, "me", None, False)


def test_what_changed_is_read_anew_and_nothing_else_is():
    store, rows = _Store(), FoundRows()
    store.change("a", [_unit(1, "a"), _unit(2, "a")])
    store.change("b", [_unit(3, "b")])
    assert set(rows.get(store, _vault(2), [1, 2, 3, 9])) == {1, 2, 3}
    store.read.clear()
    assert set(rows.get(store, _vault(2), [1, 2, 3])) == {1, 2, 3}
    assert store.read == []
    store.change("a", [_unit(4, "a", 2)])
    assert set(rows.get(store, _vault(3), [1, 2, 3, 4])) == {3, 4}
    assert store.read == [1, 2, 4]


def test_bodies_come_along_with_the_rows_that_are_read():
    store, rows = _Store(), FoundRows()
    store.change("a", [_unit(1, "a"), _unit(2, "a")])
    rows.get(store, _vault(1), [1])
    store.read.clear()
    found, bodies = rows.with_bodies(store, _vault(1), [1, 2, 9])
    assert set(found) == {1, 2}
    assert bodies == {2: b"2"}
    assert store.read == [2, 9]
    store.read.clear()
    assert rows.with_bodies(store, _vault(1), [1, 2]) == (found, {})
    assert rows.get(store, _vault(1), [1, 2]) == found
    assert store.read == []


def test_a_search_that_began_earlier_takes_nothing_that_is_younger():
    store, rows = _Store(), FoundRows()
    store.change("a", [_unit(1, "a")])
    store.change("a", [_unit(1, "a", 2)])
    assert rows.get(store, _vault(2), [1])[1].version == 2
    before = _Store(rows={1: _unit(1, "a")})
    assert rows.get(before, _vault(1), [1])[1].version == 1
    assert rows.get(store, _vault(2), [1])[1].version == 2


@pytest.mark.parametrize("floor", [0, 5000])
def test_where_too_much_changed_or_the_log_was_cut_all_is_read_anew(floor):
    store, rows = _Store(), FoundRows()
    store.change("a", [_unit(1, "a")])
    rows.get(store, _vault(1), [1])
    store.rows[1] = _unit(1, "a", 7)
    store.revision = 6000
    store.log = [] if floor else [ChangeRow(2 + number, "b", 1, 0) for number in range(1500)]
    assert rows.get(store, _vault(6000, floor=floor), [1])[1].version == 7


def test_the_vault_used_least_makes_room():
    stores = {uid: _Store() for uid in "vwx"}
    rows = FoundRows(most=25)
    for uid, store in stores.items():
        for number in range(10):
            store.change(f"{uid}{number}", [_unit(number + 1, f"{uid}{number}")])
        assert len(rows.get(store, _vault(10, uid=uid), list(range(1, 11)))) == 10
        store.read.clear()
    for uid, read in (("w", 0), ("x", 0), ("v", 10)):
        assert len(rows.get(stores[uid], _vault(10, uid=uid), list(range(1, 11)))) == 10
        assert len(stores[uid].read) == read


def test_after_any_changes_the_rows_are_those_of_the_store():
    numbers = random.Random(2)
    store, rows, unit_id = _Store(), FoundRows(most=60), 0
    for _ in range(600):
        if numbers.random() < 0.5:
            cube = f"c{numbers.randint(0, 20)}"
            fresh = []
            for _ in range(numbers.randint(0, 4)):
                unit_id += 1
                fresh.append(_unit(unit_id, cube, store.revision))
            kept = [replace_version(row, store.revision) for row in store.rows.values() if row.cube_id == cube]
            store.change(cube, [*kept, *fresh] if numbers.random() < 0.5 else fresh)
        asked = [numbers.randint(1, max(1, unit_id)) for _ in range(numbers.randint(0, 12))]
        found = rows.get(store, replace(_vault(0), revision=store.revision), list(dict.fromkeys(asked)))
        assert found == {one: store.rows[one] for one in asked if one in store.rows}


def replace_version(row: FoundUnit, version: int) -> FoundUnit:
    return row._replace(version=version)
