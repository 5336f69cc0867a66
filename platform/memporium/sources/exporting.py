"""Writes what a vault holds into files of other systems.

Licensed memory leaves only where its licence permits the export: the vault is asked for that use, of each agreement,
before anything of it is read, and counts it. What it refuses is named in the report, and the rest is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.client import MemporiumError
from memporium.governance.v1 import pii_pb2
from memporium.sources.items import Problem
from memporium.sources.outgoing import Outgoing, outgoing_of, redacted
from memporium.sources.writers import WRITERS
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from memporium.client import Client
    from memporium.cube.v1 import cube_pb2
    from memporium.sources.writers import Writer

REDACTIONS = {
    "replace": pii_pb2.REDACTION_MODE_REPLACE,
    "mask": pii_pb2.REDACTION_MODE_MASK,
    "pseudonym": pii_pb2.REDACTION_MODE_PSEUDONYM,
}
_PAGE = 100
# Cubes read at once; an episode's cube holds some hundred KB at most, a message 4 MiB.
_READ = 16
# Of one call that redacts.
_TEXTS, _TEXT_BYTES = 500, 1 << 20
_MOST_PROBLEMS = 1_000


@dataclass
class Report:
    """What an export did so far, or in a dry run would do.

    Attributes:
        cubes: Cubes written.
        licensed: Those of them that are of others.
        findings: Personal data redacted, by kind.
        attributions: What licences ask to be shown with what was written.
        problems: What was not written, the first 1,000.
        problem_count: All of those.
    """

    cubes: int = 0
    licensed: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    attributions: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def add(self, problem: Problem) -> None:
        """Add something that was not written."""
        self.problem_count += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


class Exporting:
    """One export of one vault."""

    def __init__(
        self,
        client: Client,
        vault: str,
        *,
        tags: Sequence[str] = (),
        redact: str = "",
        kinds: Sequence[str] = (),
        dry_run: bool = False,
        progress: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        """Export over a connection.

        Args:
            client: The connection.
            vault: `orgs/{org}/vaults/{vault}`; what it mounts stays where it is.
            tags: Only cubes with all of these labels.
            redact: `replace`, `mask` or `pseudonym`: how personal data are redacted; "": not at all.
            kinds: Kinds of personal data to redact; empty: all.
            dry_run: Read and redact, and write nothing; licensed memory is counted and not read.
            progress: Called after each page with the report so far.
        """
        self._client, self._vault, self._tags = client, vault, list(tags)
        self._redact, self._kinds, self._dry, self._progress = redact, list(kinds), dry_run, progress
        self._report = Report()

    def run(self, path: Path, name: str) -> Report:
        """Write a file or folder in a format; it appears when it is whole, or not at all.

        Raises:
            FileExistsError: There is something at the path.
            MemporiumError: The platform refuses.
            KeyError: There is no such format.
        """
        make = WRITERS[name]
        if path.exists() or path.is_symlink():
            raise FileExistsError(17, "exists already", str(path))
        if self._dry:
            for _one in self._all():
                self._report.cubes += 1
            return self._report
        writer: Writer = make(path)
        try:
            for one in self._all():
                problem = writer.write(one)
                if problem is None:
                    self._report.cubes += 1
                else:
                    self._report.add(problem)
            writer.finish()
        except BaseException:
            writer.abort()
            raise
        return self._report

    def _all(self) -> Iterator[Outgoing]:
        """Yield what leaves, in order of names."""
        token, chosen = "", cubes_pb2.CubeFilter(tags_all=self._tags)
        while True:
            page = self._client.vault.list_cubes(
                parent=self._vault, page_size=_PAGE, page_token=token, filter=chosen, view=cubes_pb2.CUBE_VIEW_BASIC
            )
            names, credit = self._permitted(page.cubes)
            for start in range(0, len(names), _READ):
                yield from self._read(names[start : start + _READ], credit)
            self._progress(self._report)
            token = page.next_page_token
            if not token:
                return

    def _permitted(self, cubes: Sequence[cube_pb2.Cube]) -> tuple[list[str], dict[str, str]]:
        """Return the names of cubes that may leave, and what is to be shown with them."""
        by_agreements: dict[tuple[str, ...], list[str]] = {}
        for cube in cubes:
            agreements = tuple(sorted({one.agreement for one in cube.governance.licences}))
            by_agreements.setdefault(agreements, []).append(cube.name)
        allowed = set(by_agreements.pop((), []))
        credit: dict[str, str] = {}
        for agreements, names in by_agreements.items():
            self._report.licensed += len(names)
            if self._dry:
                continue
            try:
                done = self._client.vault.use_cubes(
                    parent=self._vault,
                    names=names,
                    action=cubes_pb2.USE_ACTION_EXPORT_BUNDLE,
                    view=cubes_pb2.CUBE_VIEW_BASIC,
                )
            except MemporiumError as error:
                if not error.reason.startswith("LICENCE"):
                    raise
                self._report.licensed -= len(names)
                for name in names:
                    self._report.add(Problem(name, f"licensed under {', '.join(agreements)}: {error}"))
                continue
            shown = "; ".join(dict.fromkeys(one.attribution for one in done.licences if one.attribution))
            credit |= dict.fromkeys(names, shown)
            if shown and shown not in self._report.attributions:
                self._report.attributions.append(shown)
            allowed |= set(names)
        return [cube.name for cube in cubes if cube.name in allowed], credit

    def _read(self, names: Sequence[str], credit: dict[str, str]) -> list[Outgoing]:
        found = []
        for cube in self._opened(names):
            one = outgoing_of(cube, attribution=credit.get(cube.name, ""))
            if one is None:
                self._report.add(Problem(cube.name, "holds no text"))
            else:
                found.append(one)
        return redacted(found, self._redacted) if self._redact else found

    def _opened(self, names: Sequence[str]) -> list[cube_pb2.Cube]:
        """Return cubes with what they say; what a licence keeps from being read is a problem of that cube alone."""
        view = cubes_pb2.CUBE_VIEW_FULL
        try:
            return list(self._client.vault.batch_get_cubes(parent=self._vault, names=names, view=view).cubes)
        except MemporiumError as error:
            if not error.reason.startswith("LICENCE"):
                raise
            if len(names) == 1:
                self._report.add(Problem(names[0], f"licensed: {error}"))
                return []
        return [cube for name in names for cube in self._opened([name])]

    def _redacted(self, texts: list[str]) -> list[str]:
        """Return texts without personal data; where that fails, the export does."""
        clean: list[str] = []
        for some in _parts(texts):
            done = self._client.governance.redact_pii(
                texts=some, entities=self._kinds, mode=REDACTIONS[self._redact], timeout_s=300
            )
            if len(done.texts) != len(some):
                raise RuntimeError("as many texts are redacted as were given")
            clean.extend(done.texts)
            self._report.findings.update(one.entity for one in done.findings)
        return clean


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in parts that one call takes."""
    part: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if part and (len(part) == _TEXTS or size + length > _TEXT_BYTES):
            yield part
            part, size = [], 0
        part.append(text)
        size += length
    if part:
        yield part
