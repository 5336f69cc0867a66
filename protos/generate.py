"""Generate the Python code of every proto into `platform/`; with `--check`, say whether the committed code is current.

The proto path equals the Python path (`memporium/<service>/v1`), so nothing is rewritten after protoc.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.rpc import status_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
OUT = ROOT.parent / "platform"


def generate(target: Path) -> list[Path]:
    """Write the code of every proto below `protos/` to `target`; return the files, relative to it."""
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("memporium/**/*.proto"))
    includes = [str(ROOT), str(files("grpc_tools") / "_proto"), str(Path(status_pb2.__file__).parents[2])]
    services = [source for source in sources if source.endswith("_service.proto")]
    common = ["protoc", *(f"-I{include}" for include in includes)]
    if protoc.main([*common, f"--python_out={target}", f"--mypy_out=quiet:{target}", *sources]):
        raise SystemExit("protoc failed")
    if services and protoc.main([*common, f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *services]):
        raise SystemExit("protoc failed")
    return sorted(path.relative_to(target) for path in target.rglob("*_pb2*.py*") if "__pycache__" not in path.parts)


def ensure_packages(made: list[Path]) -> None:
    """Give every folder of generated code an `__init__.py`."""
    for folder in {path.parent for path in made}:
        for package in (folder, folder.parent):
            init = OUT / package / "__init__.py"
            if not init.exists():
                init.write_text(f'"""Generated code of `{".".join(package.parts)}`."""\n')


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where committed code is stale")
    if not parser.parse_args().check:
        ensure_packages(generate(OUT))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        made = generate(Path(temporary))
        stale = [
            str(path)
            for path in made
            if not (OUT / path).exists() or not filecmp.cmp(Path(temporary) / path, OUT / path, shallow=False)
        ]
        committed = {path.relative_to(OUT) for path in OUT.rglob("*_pb2*.py*") if "__pycache__" not in path.parts}
        stale += [f"{path} (no proto)" for path in sorted(committed - set(made))]
    for path in stale:
        sys.stderr.write(f"stale: platform/{path}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
