"""Lint the protos with buf, and hold them against the last release's (`released.binpb`) for breaking changes.

buf reads a descriptor set that protoc made, so that the imports from `google/` need no registry.
`--release` writes the present protos as the released ones: once for each release, never to silence a breaking change.
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


def describe(target: Path, *, source_info: bool, root: Path = ROOT) -> None:
    """Write the descriptor set of every proto below `root` to `target`.

    Raises:
        SystemExit: protoc refuses them.
    """
    sources = sorted(path.relative_to(root).as_posix() for path in root.glob("memporium/**/*.proto"))
    includes = [str(root), str(files("grpc_tools") / "_proto"), str(Path(status_pb2.__file__).parents[2])]
    options = ["--include_imports", f"--descriptor_set_out={target}"]
    if source_info:
        options.append("--include_source_info")
    if protoc.main(["protoc", *(f"-I{include}" for include in includes), *options, *sources]):
        raise SystemExit("protoc failed")


def check(root: Path = ROOT, released: Path = RELEASED) -> int:
    """Return 0 where the protos below `root` are clean and break nothing that was released; print what is not."""
    if not released.exists():
        sys.stderr.write(f"{released} is missing: there is nothing to hold the protos against\n")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        present = Path(temporary) / "present.binpb"
        describe(present, source_info=True, root=root)
        lint = _buf("lint", present, "--config", ROOT / "buf.lint.yaml")
        breaking = _buf("breaking", present, "--against", released, "--config", ROOT / "buf.breaking.yaml")
    return lint or breaking


def _buf(*arguments: str | Path) -> int:
    buf = Path(sys.executable).parent / "buf"
    command = [str(buf), *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own arguments


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", action="store_true", help="write the present protos as the released ones")
    if parser.parse_args().release:
        describe(RELEASED, source_info=False)
        return 0
    return check()


if __name__ == "__main__":
    sys.exit(main())
