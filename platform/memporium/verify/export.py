"""Verification of an exported audit log, offline, naming what was altered, deleted, doubled or moved.

The signed checkpoint fixes the root, the root fixes the list of leaf hashes that the export carries, and each row's own
leaf hash says where in that list it belongs: a row that is not in the list was altered, a place in the list without a
row was deleted, a row before its predecessor was moved.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from bisect import bisect_left
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memporium.verify.commitment import canonical, leaf_of
from memporium.verify.export_format import VERSION
from memporium.verify.export_reader import ExportError, read_rows
from memporium.verify.merkle import HASH_BYTES, root_of
from memporium.verify.note import NoteError, SignedTree, VerifierKey, verify_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Problems of one kind that are spelled out; the rest is counted.
_MAX_NAMED = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found.

    Attributes:
        organisation: Whose log.
        records: Rows of records in the file.
        tree_size: Entries of the log by the checkpoint.
        root_hash: Root by the checkpoint, hexadecimal; "" where the checkpoint is not good.
        complete: Whether the file claims to hold the whole log.
        key_given: Whether the caller gave the key; else it is the file's own, which proves nothing about who signed.
        erased: Rows whose content was erased by rule.
        problems: Everything that is wrong, each in one sentence that names the row; none: the file verifies.
    """

    organisation: str = ""
    records: int = 0
    tree_size: int = 0
    root_hash: str = ""
    complete: bool = True
    key_given: bool = False
    erased: int = 0
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {**asdict(self), "problems": list(self.problems), "ok": self.ok}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the file: its line, the place it claims, its leaf hash."""

    line: int
    index: int
    leaf: bytes
    erased: bool


@dataclass(slots=True)
class _File:
    """What the file says."""

    organisation: str = ""
    verifier_key: str = ""
    complete: bool = True
    entries: list[_Entry] = field(default_factory=list)
    listed: list[bytes] = field(default_factory=list)
    note: str = ""


def verify_export(data: bytes, *, verifier_key: str = "", partial: bool = False) -> Report:
    """Verify an export, JSON lines or CSV.

    Args:
        data: The file.
        verifier_key: The key that must have signed the checkpoint, in its verifier form; "": the one in the file.
        partial: Accept a file that was exported with a filter, so that absent rows are no problem.

    Returns:
        The report; a malformed file is a problem too, never an exception.
    """
    try:
        found = _parse(data)
    except ExportError as error:
        return Report(problems=(f"the file is malformed: {error}",))
    report = Report(
        organisation=found.organisation,
        records=len(found.entries),
        complete=found.complete,
        key_given=bool(verifier_key),
        erased=sum(entry.erased for entry in found.entries),
    )
    try:
        tree = verify_note(found.note, VerifierKey.parse(verifier_key or found.verifier_key))
    except NoteError as error:
        return replace(report, problems=(f"checkpoint: {error}",))
    report = replace(report, tree_size=tree.size, root_hash=tree.root.hex())
    problems: list[str] = []
    if found.organisation.rpartition("/")[2] != tree.origin.rpartition("/")[2]:
        problems.append(f"checkpoint: it is of {tree.origin}, not of {found.organisation}")
    if not found.complete and not partial:
        problems.append("header: the file was exported with a filter, so it cannot show that no row is missing")
    leaves, complaint = _authentic(found, tree)
    problems += complaint
    if leaves is not None:
        problems += _compare(found.entries, leaves, missing_matters=found.complete or not partial)
    return replace(report, problems=tuple(problems))


def _authentic(found: _File, tree: SignedTree) -> tuple[Sequence[bytes] | None, list[str]]:
    """Return the leaf hashes that the signed root stands for, and what is wrong with how the file carries them."""
    if len(found.listed) == tree.size and hmac.compare_digest(root_of(found.listed), tree.root):
        return found.listed, []
    own = [entry.leaf for entry in found.entries]
    if len(own) == tree.size and hmac.compare_digest(root_of(own), tree.root):
        return own, ["leaves: the list of leaf hashes was altered; the rows themselves are those that were signed"]
    complaint = ["leaves: the list of leaf hashes was altered, and the rows are not those that were signed"]
    for entry in found.entries:
        if entry.index >= len(found.listed) or entry.leaf != found.listed[entry.index]:
            complaint.append(f"row {entry.index} (line {entry.line}) was altered, or its place in the list was")
            break
    return None, complaint


def _compare(entries: Sequence[_Entry], leaves: Sequence[bytes], *, missing_matters: bool) -> list[str]:
    places = {leaf: place for place, leaf in enumerate(leaves)}
    altered = [entry for entry in entries if entry.leaf not in places]
    problems = [f"row {entry.index} (line {entry.line}) was altered" for entry in altered]
    first: dict[int, _Entry] = {}
    for entry in entries:
        place = places.get(entry.leaf)
        if place is not None and first.setdefault(place, entry) is not entry:
            problems.append(f"row {place} is there again at line {entry.line}")
    moved = _moved(list(first))
    for position, (place, entry) in enumerate(first.items()):
        if position in moved:
            problems.append(f"row {place} was moved: it stands at line {entry.line}, out of order")
        elif entry.index != place:
            problems.append(f"row {place} (line {entry.line}) was renumbered: it says {entry.index}")
    if missing_matters:
        gone = sorted(set(range(len(leaves))) - set(first) - {entry.index for entry in altered})
        problems += [f"row {place} was deleted" for place in gone]
    if len(problems) > _MAX_NAMED:
        rest = len(problems) - _MAX_NAMED
        problems = [*problems[:_MAX_NAMED], f"and {rest} more"]
    return problems


def _moved(places: Sequence[int]) -> set[int]:
    """Return the positions that do not belong to a longest increasing run: the fewest rows that explain the order."""
    tails: list[int] = []
    tail_positions: list[int] = []
    before: list[int] = []
    for position, place in enumerate(places):
        length = bisect_left(tails, place)
        before.append(tail_positions[length - 1] if length else -1)
        if length == len(tails):
            tails.append(place)
            tail_positions.append(position)
        else:
            tails[length], tail_positions[length] = place, position
    kept: set[int] = set()
    position = tail_positions[-1] if tail_positions else -1
    while position >= 0:
        kept.add(position)
        position = before[position]
    return set(range(len(places))) - kept


def _parse(data: bytes) -> _File:
    """Return what the file says.

    Raises:
        ExportError: It is malformed.
    """
    found = _File()
    first = True
    for line, row in read_rows(data):
        kind = row.get("type")
        try:
            if first != (kind == "header"):
                raise ExportError(f"line {line}: the header must be the first row, and only there")
            first = False
            if kind == "header":
                _take_header(found, row)
            elif kind == "entry":
                found.entries.append(_entry(line, row))
            elif kind == "leaves":
                found.listed += _hashes(row)
            elif kind == "checkpoint":
                found.note = str(row["note"])
            else:
                raise ExportError(f"line {line}: there are no rows of type {kind}")
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ExportError(f"line {line}: {kind} row: {error!r}") from error
    if first:
        raise ExportError("it is empty")
    return found


def _take_header(found: _File, row: dict[str, Any]) -> None:
    if row["version"] != VERSION:
        raise ExportError(f"version {row['version']} is not known")
    found.organisation, found.verifier_key = str(row["organisation"]), str(row["verifier_key"])
    found.complete = row["complete"] is True


def _entry(line: int, row: dict[str, Any]) -> _Entry:
    index = int(row["index"])
    if row.get("erased"):
        return _Entry(line, index, bytes.fromhex(row["leaf"]), erased=True)
    record = canonical(row["record"])
    return _Entry(line, index, leaf_of(record, bytes.fromhex(row["salt"])), erased=False)


def _hashes(row: dict[str, Any]) -> Iterable[bytes]:
    raw = base64.b64decode(row["hashes"], validate=True)
    if len(raw) % HASH_BYTES:
        raise ValueError("is no list of hashes")
    return [raw[start : start + HASH_BYTES] for start in range(0, len(raw), HASH_BYTES)]
