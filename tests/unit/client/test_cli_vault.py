from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from memporium.cli import vault as commands
from memporium.vault.v1 import vault_pb2
from memporium.vault.v1 import vault_service_pb2 as api


@pytest.mark.parametrize(
    ("given", "model"), [(["--embedding-model", "nomic-embed-text"], "nomic-embed-text"), ([], "")]
)
def test_a_vault_is_made_with_the_embedder_that_is_named(monkeypatch, given, model):
    asked = []

    def create_vault(*, parent, vault_id, vault):
        asked.append((parent, vault_id, vault.embedding_model))
        return api.CreateVaultResponse(vault=vault_pb2.Vault(name=f"{parent}/vaults/{vault_id}"))

    client = SimpleNamespace(vault=SimpleNamespace(create_vault=create_vault))
    run = SimpleNamespace(client=client, as_json=False, parent=lambda _: "orgs/acme")
    monkeypatch.setattr(commands, "session", lambda _: run)
    told = CliRunner().invoke(commands.app, ["create", "notes", *given])
    assert told.exit_code == 0, told.output
    assert asked == [("orgs/acme", "notes", model)]
