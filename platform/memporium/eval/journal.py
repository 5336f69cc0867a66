"""The journal of a run: what was done stands in a file before it counts, so a run that was killed goes on.

A folder holds `journal.jsonl` (a line a record, the first one the run's settings) and `result.json`. A record is
written and synced in one go; a last line that was cut off when the process died is dropped at the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_JOURNAL, _RESULT = "journal.jsonl", "result.json"
_FORMAT = 1


class RunError(Exception):
    """A run folder that cannot be continued."""


class Journal:
    """One run; its records by kind and key."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Begin a run, or continue the one in the folder.

        Raises:
            RunError: It holds a run with other settings, one that goes on in another process, or a broken one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._lock = folder, threading.Lock()
        self._records: dict[tuple[str, str], dict[str, Any]] = {}
        path = folder / _JOURNAL
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise RunError(f"{folder}: another process runs this") from error
        try:
            self.continued = self._read(path)
            self._check(settings)
        except BaseException:
            self.close()
            raise

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return a record; None where that was not done yet."""
        return self._records.get((kind, key))

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the records of a kind by key."""
        return {key: record for (one, key), record in self._records.items() if one == kind}

    def put(self, kind: str, key: str, record: dict[str, Any]) -> None:
        """Write a record; it is on the disk when this returns."""
        line = json.dumps({"kind": kind, "key": key, "record": record}, ensure_ascii=False) + "\n"
        with self._lock:
            os.write(self._file, line.encode())
            os.fsync(self._file)
            self._records[kind, key] = record

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result, whole or not at all."""
        path = self._folder / _RESULT
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(path)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._file)

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go of the folder."""
        self.close()

    def _read(self, path: Path) -> bool:
        """Read what was done; say whether anything was."""
        whole = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    one = json.loads(line)
                    self._records[one["kind"], one["key"]] = one["record"]
                except (ValueError, KeyError, TypeError) as error:
                    raise RunError(f"{path}:{number}: is no record of a run") from error
                whole += len(line)
        os.ftruncate(self._file, whole)
        return whole > 0

    def _check(self, settings: dict[str, Any]) -> None:
        wanted = {"format": _FORMAT, **settings}
        found = self.get("run", "settings")
        if found is None:
            if self._records:
                raise RunError(f"{self._folder}: holds no run")
            self.put("run", "settings", wanted)
            return
        other = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        if other:
            raise RunError(f"{self._folder}: holds a run with another {', '.join(other)}; name another folder")
