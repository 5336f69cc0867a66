"""Lint the protos with buf, and hold them against the last release's (`released.binpb`) for breaking changes.

buf reads a descriptor set that protoc made, so that the imports from `google/` need no registry.
`--release` writes the present protos as the released ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.rpc import status_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
RELEASED = ROOT / "released.binpb"


def describe(target: Path, *, source_info: bool) -> None:
    """Write the descriptor set of every proto to `target`."""
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    includes = [str(ROOT), str(files("grpc_tools") / "_proto"), str(Path(status_pb2.__file__).parents[2])]
    options = ["--include_imports", f"--descriptor_set_out={target}"]
    if source_info:
        options.append("--include_source_info")
    if protoc.main(["protoc", *(f"-I{include}" for include in includes), *options, *sources]):
        raise SystemExit("protoc failed")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", action="store_true", help="write the present protos as the released ones")
    if parser.parse_args().release:
        describe(RELEASED, source_info=False)
        return 0
    buf = str(Path(sys.executable).parent / "buf")
    with tempfile.TemporaryDirectory() as temporary:
        present = Path(temporary) / "present.binpb"
        describe(present, source_info=True)
        lint = subprocess.run(  # noqa: S603 - our own arguments
            [buf, "lint", str(present), "--config", str(ROOT / "buf.lint.yaml")], check=False
        )
        breaking = subprocess.CompletedProcess([], 0)
        if RELEASED.exists():
            breaking = subprocess.run(  # noqa: S603 - our own arguments
                [
                    buf,
                    "breaking",
                    str(present),
                    "--against",
                    str(RELEASED),
                    "--config",
                    str(ROOT / "buf.breaking.yaml"),
                ],
                check=False,
            )
    return lint.returncode or breaking.returncode


if __name__ == "__main__":
    sys.exit(main())
