"""`recall` asks for what its options say."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import typer

from memporium.cli import recall as command
from memporium.reader.v1 import recall_pb2


@pytest.fixture
def asked(monkeypatch):
    requests = []

    def recall(**fields):
        requests.append(recall_pb2.RecallRequest(**fields))
        return recall_pb2.RecallResponse()

    client = SimpleNamespace(reader=SimpleNamespace(recall=recall))
    run = SimpleNamespace(client=client, as_json=False, absolute=lambda name, kind: f"orgs/acme/{kind}/{name}")
    monkeypatch.setattr(command, "session", lambda _context: run)
    return requests


def test_the_time_of_asking_labels_and_sources_are_asked_for(asked):
    command.recall(None, "notes", "What was last week?", now="2026-01-31", tag=["a", "b"], source=["s.md"])
    (request,) = asked
    assert request.now.ToDatetime(UTC) == datetime(2026, 1, 31, tzinfo=UTC)
    assert (list(request.filter.tags_all), list(request.filter.sources)) == (["a", "b"], ["s.md"])
    assert not request.HasField("known_time")


@pytest.mark.parametrize(("option", "name"), [("now", "--now"), ("as_of", "--as-of"), ("true_at", "--true-at")])
def test_a_wrong_time_names_its_option(asked, option, name):
    with pytest.raises(typer.BadParameter) as wrong:
        command.recall(None, "notes", "Why?", **{option: "soon"})
    assert wrong.value.param_hint == name
    assert not asked
