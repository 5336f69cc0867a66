"""Build the wheel, install it alone into a fresh environment, and use it: what it forgets to carry shows here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PROBE = """
import sys
import memporium, memporium.client._methods as methods
for service in methods.SERVICES:
    assert methods.methods(service), service
import memporium_services.vault.module
assert "torch" not in sys.modules, "the vault imports torch"
from memporium_platform.authz.policy_files import policies_dir
assert (policies_dir() / "model.conf").exists()
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pip = [sys.executable, "-m", "pip", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
        (wheel,) = folder.glob("*.whl")
        # Dependencies are those of this environment: what is tested is what the wheel itself carries.
        venv.create(folder / "venv", system_site_packages=False)
        python = folder / "venv" / "bin" / "python"
        target = subprocess.run(
            [python, "-c", "import site; print(site.getsitepackages()[0])"], check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True)
        own = [path for path in sys.path if path.endswith("site-packages")]
        script = f"import sys; sys.path += {own!r}\n{_PROBE}"
        return subprocess.run([python, "-I", "-c", script], check=False, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
