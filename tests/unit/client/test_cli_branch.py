from __future__ import annotations

from types import SimpleNamespace

from typer.testing import CliRunner

from memporium.cli import vault as commands
from memporium.vault.v1 import vault_service_pb2 as api


def test_a_branch_is_waited_for_and_asked_for_in_the_same_words(monkeypatch):
    asked = []
    answers = [
        api.CreateVaultResponse(branching={"done_cubes": 200, "total_cubes": 450}),
        api.CreateVaultResponse(branching={"done_cubes": 400, "total_cubes": 450}),
        api.CreateVaultResponse(vault={"name": "orgs/acme/vaults/what-if"}),
    ]

    def create_vault(request):
        asked.append(request.SerializeToString(deterministic=True))
        return answers[len(asked) - 1]

    client = SimpleNamespace(vault=SimpleNamespace(create_vault=create_vault))
    run = SimpleNamespace(client=client, as_json=False, absolute=lambda name, _: f"orgs/acme/vaults/{name}")
    monkeypatch.setattr(commands, "session", lambda _: run)
    told = CliRunner().invoke(commands.app, ["branch", "notes", "what-if", "--revision", "7"])
    assert told.exit_code == 0, told.output
    assert "200 of 450 memories" in told.output
    assert "400 of 450 memories" in told.output
    assert "branched" in told.output
    assert len(asked) == 3
    [request] = {api.CreateVaultRequest.FromString(one).branch_wait.seconds for one in asked}
    assert request > 0
    assert len(set(asked)) == 1
