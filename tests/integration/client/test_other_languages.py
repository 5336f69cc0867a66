"""The client in Node that the docs show does what they say; and the protos that are written for it need nothing else."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from grpc_tools import protoc

from support.platform import running_platform

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "other-languages.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"^```js\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```console\n\$ .*?node agent\.js (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NODE = shutil.which("node") or ""
PATHS = os.pathsep.join([str(ROOT / "tests" / "node" / "node_modules"), os.environ.get("NODE_PATH", "")])
_LONGEST_S = 240


def missing() -> str:
    """Return what the program lacks on this machine, "" where it can run."""
    if not NODE:
        return "no node on this machine"
    needed = "for (const one of ['@grpc/grpc-js', '@grpc/proto-loader']) require.resolve(one)"
    found = subprocess.run(
        [NODE, "-e", needed], env={**os.environ, "NODE_PATH": PATHS}, capture_output=True, check=False
    )
    return "" if found.returncode == 0 else "@grpc/grpc-js and @grpc/proto-loader are not installed (make node)"


def complete(folder: Path) -> Path:
    """Write all protos to a folder, as the docs say."""
    subprocess.run([sys.executable, str(ROOT / "protos" / "complete.py"), str(folder)], capture_output=True, check=True)
    return folder


async def test_the_client_in_node_prints_what_the_docs_show(tmp_path, monkeypatch):
    if lack := missing():
        pytest.skip(lack)
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    ((org, shown),) = SHOWN.findall(TEXT)
    (program,) = PROGRAM.findall(TEXT)
    (tmp_path / "agent.js").write_text(program, encoding="utf-8")
    async with running_platform(("vault", "reader", "inference"), data_dir=tmp_path / "data") as platform:
        owner = await platform.organisation(org.removeprefix("orgs/"))
        (tmp_path / "acme.key").write_text(owner.owner_key + "\n", encoding="utf-8")
        node = await asyncio.create_subprocess_exec(
            NODE,
            "agent.js",
            org,
            cwd=tmp_path,
            env={
                **os.environ,
                "NODE_PATH": PATHS,
                "MEMPORIUM_ADDRESS": platform.address,
                "MEMPORIUM_API_KEY_FILE": "acme.key",
                "PROTOS": str(complete(tmp_path / "protos")),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(node.communicate(), _LONGEST_S)
        finally:
            if node.returncode is None:
                node.kill()
    assert node.returncode == 0, err.decode()
    assert out.decode() == shown


def test_all_protos_need_nothing_but_themselves(tmp_path):
    # protoc finds what it brings itself, google/protobuf, here beside grpc_tools; nothing else may be needed.
    protos = complete(tmp_path / "protos")
    sources = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    assert {path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").rglob("*.proto")} < set(sources)
    own = Path(protoc.__file__).parent / "_proto"
    given = ["protoc", f"-I{protos}", f"-I{own}", f"--descriptor_set_out={tmp_path / 'all'}"]
    assert not list((own / "google").glob("[!p]*"))
    assert protoc.main([*given, *sources]) == 0
