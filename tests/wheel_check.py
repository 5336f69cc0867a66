"""Build the wheel, install it alone into a fresh environment, and use it: what it forgets to carry shows here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from importlib.util import find_spec
from pathlib import Path

from support.processes import free_port

ROOT = Path(__file__).resolve().parents[1]
_START_S = 300.0
# Everything comes from the wheel: the folder that it was installed into is the first argument.
_PROBE = """
import sys
from importlib import import_module, metadata
from importlib.resources import files
from pathlib import Path

installed = Path(sys.argv[1]).resolve()


def own(path):
    assert Path(str(path)).resolve().is_relative_to(installed), f"{path} is not of the wheel"
    return Path(str(path))


for package in ("memporium", "memporium_platform", "memporium_services"):
    module = import_module(package)
    own(module.__file__ or next(iter(module.__path__)))
for package in ("memporium", "memporium_platform"):
    assert own(files(package) / "py.typed").is_file(), package

import memporium.client._methods as methods

for service in methods.SERVICES:
    assert methods.methods(service), service
    own(import_module(f"memporium.{service}.v1.{service}_service_pb2_grpc").__file__)
for service in sys.argv[2:]:
    migrations = installed / "memporium_services" / service / "migrations"
    assert list(migrations.glob("versions/0001_*.py")), f"{service} has no migrations"

import memporium_services.vault.module

assert "torch" not in sys.modules, "the vault imports torch"

from memporium_platform.authz.roles import load_roles, policies_dir
from memporium_platform.licence.templates import load_template

policies = own(policies_dir())
assert (policies / "model.conf").is_file()
assert (policies / "pii.yaml").is_file()
assert load_roles(policies)
assert len([load_template(path) for path in (policies / "licences").glob("*.yaml")]) >= 5
print("wheel", metadata.version("memporium"))
"""


def build(folder: Path) -> Path:
    """Build the wheel into a folder; with the build back-end of this environment where it is installed."""
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(folder)]
    isolation = [] if find_spec("hatchling") is None else ["--no-build-isolation", "--no-index"]
    subprocess.run([*pip, *isolation, str(ROOT)], check=True)
    (wheel,) = folder.glob("memporium-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel alone into a fresh environment; return the environment's Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return python


def check(folder: Path) -> str:
    """Build, install and use the wheel; return what the probe said.

    Raises:
        subprocess.CalledProcessError: Something is missing in it.
    """
    python = install(build(folder), folder / "venv")
    command = python.with_name("memporium")
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    # Dependencies are those of this environment: what is tested is what the wheel itself carries. A path entry's
    # own .pth files are not read, so an editable install of the source tree does not come in with them.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MEMPORIUM_")}
    paths = os.pathsep.join([target, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    environment = {**kept, "PYTHONPATH": paths, "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384"}

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [str(one) for one in arguments], check=True, capture_output=True, text=True, cwd=folder, env=environment
        )
        return done.stdout

    stateful = [path.parent.name for path in (ROOT / "services").glob("memporium_services/*/migrations")]
    said = run(python, "-c", _PROBE, target, *stateful)
    assert run(command, "--version").startswith("memporium ")
    assert all(one["state"] != "wrong" for one in json.loads(run(command, "--json", "doctor")))
    assert "evaluation" in run(command, "listing", "templates")
    _serve(command, folder, environment)
    return said


def _serve(command: Path, folder: Path, environment: dict[str, str]) -> None:
    """Start every service from the wheel, which also runs every migration, and stop it."""
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [command, "serve", "--listen", address, "--data-dir", "data"],
        cwd=folder,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        health = [command, "--address", address, "health"]
        until = time.monotonic() + _START_S
        while subprocess.run(health, cwd=folder, env=environment, capture_output=True, check=False).returncode:
            assert server.poll() is None, "serve has ended"
            assert time.monotonic() < until, "serve does not answer"
            time.sleep(0.2)
        server.terminate()
        assert server.wait(timeout=_START_S) == 0
    finally:
        server.kill()


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        try:
            sys.stdout.write(check(Path(temporary)))
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{error}\n{error.stdout or ''}{error.stderr or ''}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
