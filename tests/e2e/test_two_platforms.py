"""The demo's story of two platforms: what a newcomer sees is what is tested."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from memporium.demo.stage import Stage
from memporium.demo.two_platforms import run


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_platforms_publish_subscribe_pull_recall_revoke_and_compare(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SCAN_IMPORTS", "false")
    told = io.StringIO()
    stage = Stage(Console(file=told, width=200, highlight=False))
    run(stage, embedder="hashing-384", keep=tmp_path / "kept")
    text = told.getvalue()
    for part in (
        "mutual TLS",
        "release 1.0.0 sealed and signed",
        "REQUESTED → AGREED → VERIFIED → FINALIZED",
        "checks passed with north's pinned keys",
        "one statement, signed by globex, south and north",
        "LICENCE_REVOKED",
        "south holds",
        "north holds",
        "the whole story",
    ):
        assert part in text, text
    assert text.count(": equal") == 2
    assert (tmp_path / "kept" / "north" / "serve.log").exists()
