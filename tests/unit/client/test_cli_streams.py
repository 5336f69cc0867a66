"""Commands on role streams and times: what they ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from memporium.cli import cube, scene
from memporium.reader.v1 import profile_pb2
from memporium.vault.v1 import vault_service_pb2 as api


def run_with(monkeypatch, module, **client):
    made = SimpleNamespace(
        client=SimpleNamespace(**client), as_json=False, absolute=lambda name, _: f"orgs/acme/vaults/{name}"
    )
    monkeypatch.setattr(module, "session", lambda _: made)


def test_a_whole_role_stream_is_forgotten(monkeypatch):
    asked = []

    def forget_cubes(request):
        asked.append(request)
        return api.ForgetCubesResponse()

    run_with(monkeypatch, cube, vault=SimpleNamespace(forget_cubes=forget_cubes))
    told = CliRunner().invoke(cube.app, ["forget", "notes", "--persona", "work"])
    assert told.exit_code == 0, told.output
    [request] = asked
    assert (request.parent, list(request.filter.personas), list(request.names)) == (
        "orgs/acme/vaults/notes",
        ["work"],
        [],
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_what_is_expected_is_asked_for_at_any_time(monkeypatch, given, meant):
    asked = []

    def list_foresights(**request):
        asked.append(request["now"].ToDatetime(tzinfo=UTC))
        return profile_pb2.ListForesightsResponse()

    run_with(monkeypatch, scene, reader=SimpleNamespace(list_foresights=list_foresights))
    told = CliRunner().invoke(scene.foresight_app, ["notes", "--now", given])
    assert told.exit_code == 0, told.output
    assert asked == [meant]
