"""Writes a folder of protos that needs nothing else: ours, and those of `google/` that they import.

    python protos/complete.py build/protos

The latter come from the package that Python's own code for them comes from, so both are of one version. What every
protoc brings, `google/protobuf`, is left out.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from google.rpc import status_pb2

ROOT = Path(__file__).parent
COMMON = Path(status_pb2.__file__).parents[2]
# What messages are marked with, and what errors are told in.
IMPORTED = ("google/api/field_behavior.proto", "google/rpc/status.proto", "google/rpc/error_details.proto")


def complete(target: Path) -> list[Path]:
    """Write the protos to a folder; return them, relative to it."""
    own = [path.relative_to(ROOT) for path in ROOT.glob("memporium/**/*.proto")]
    found = {path: ROOT / path for path in own} | {Path(name): COMMON / name for name in IMPORTED}
    for path, source in found.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / path)
    return sorted(found)


def main() -> None:
    """Write them to the folder that is named, and say so."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):  # noqa: PLR2004 - the command and a folder
        raise SystemExit("usage: python protos/complete.py FOLDER")
    target = Path(sys.argv[1])
    sys.stdout.write(f"{len(complete(target))} protos in {target}\n")


if __name__ == "__main__":
    main()
