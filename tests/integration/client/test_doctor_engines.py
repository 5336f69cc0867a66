"""`memporium doctor` before real engines, and a platform that serves from them by its command line."""

from __future__ import annotations

import pytest

from memporium_services.checkup import findings
from support.console import environment, missing_line, run_console

pytestmark = pytest.mark.servers
_STORY = """```console
$ memporium doctor
$ memporium serve > serve.log 2>&1 &
$ until memporium health; do sleep 0.5; done 2> /dev/null
$ memporium org create acme --save-key acme.key
$ export MEMPORIUM_API_KEY_FILE=acme.key
$ memporium vault create notes
$ memporium cube create notes "The code of the side door is on the blue card."
$ memporium recall notes "Where is the code of the door?"
[1]   The code of the side door is on the blue card.
$ memporium bundle dump notes --bundle-id one
$ memporium bundle load one restored
$ memporium vault list --names
orgs/acme/vaults/notes
orgs/acme/vaults/restored
```
"""


def test_real_engines_are_found(postgres_url, s3_url, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_DATABASE_URL", postgres_url)
    monkeypatch.setenv("MEMPORIUM_OBJECTS_URL", s3_url)
    found = {one.what: one for one in findings()}
    assert found["PostgreSQL"].state == "ok", found["PostgreSQL"]
    assert found["S3"].state == "ok", found["S3"]
    monkeypatch.setenv("MEMPORIUM_OBJECTS_URL", s3_url.replace("-secret@", "-wrong@"))
    assert {one.what: one.state for one in findings()}["S3"] == "wrong"


def test_the_command_line_on_postgresql_s3_and_milvus(postgres_url, s3_url, milvus_path, tmp_path):
    given = {
        **environment(),
        "MEMPORIUM_DATABASE_URL": postgres_url,
        "MEMPORIUM_OBJECTS_URL": s3_url,
        "MEMPORIUM_INDEX_URL": f"milvus://{milvus_path}",
        "MEMPORIUM_MASTER_KEY": "ab" * 32,
    }
    for command in run_console(_STORY, folder=tmp_path, environment=given, timeout_s=500):
        log = (tmp_path / "serve.log").read_text()[-4000:] if (tmp_path / "serve.log").exists() else ""
        assert command.status == 0, f"{command.text}\n{command.output}\n{log}"
        assert not missing_line(command), f"{command.text}\n{command.output}"
