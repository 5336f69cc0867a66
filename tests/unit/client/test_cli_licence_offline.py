"""`memporium licence` without any server: templates, files with terms and saved agreements."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from memporium.cli import add_commands
from memporium.memstore.v1 import agreement_pb2
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import digest_of
from support.market import licence

NOWHERE = ("--address", "127.0.0.1:1")


def run(*arguments):
    return CliRunner().invoke(add_commands(), [*NOWHERE, *arguments])


def saved(folder, *, terms=None, state="STATE_ACTIVE", signed=None):
    """Save an agreement as `memporium --json agreement get` prints it."""
    content = check_terms(terms or licence("READ", purposes={"values": ["support"]}), "terms")
    agreement = agreement_pb2.Agreement(
        name="orgs/acme/agreements/a1", provider="orgs/acme", consumer="orgs/globex", state=state
    )
    agreement.terms_document.content = content
    agreement.document.payload = json.dumps({"terms_sha256": signed or digest_of(content)}).encode()
    agreement.activate_time.GetCurrentTime()
    path = folder / "agreement.json"
    path.write_text(json.dumps(MessageToDict(agreement, preserving_proto_field_name=True)))
    return str(path)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("internal", "Internal use"),
        ("evaluation", "at most 100 calls in all"),
        ("commercial-per-seat", "at most 5 seats: different people or agents"),
        ("research-only", "only for the purpose research"),
        ("on-platform-only", "on this platform only"),
    ],
)
def test_each_template_is_explained(template, said):
    found = run("licence", "explain", template)
    assert found.exit_code == 0, found.output
    assert said in " ".join(found.output.split())


def test_why_a_use_would_be_refused_is_said_too():
    asked = run("licence", "explain", "research-only", "--action", "read", "--for", "advertising")
    assert "refused: the licence does not allow this purpose (purposes)" in " ".join(asked.output.split())
    asked = run("licence", "explain", "research-only", "--action", "read", "--for", "research")
    assert "This use: permitted now" in asked.output
    declared = run("--purpose", "research", "licence", "explain", "research-only", "--action", "read")
    assert "This use: permitted now" in declared.output


def test_a_saved_agreement_is_explained_and_says_what_it_cannot_know(tmp_path):
    found = run("licence", "explain", saved(tmp_path), "--action", "read", "--for", "support")
    text = " ".join(found.output.split())
    assert "of orgs/acme and orgs/globex was active when the file was saved" in text
    assert "not known without a server" in text
    assert "This use: permitted now" in text
    ended = run("licence", "explain", saved(tmp_path, state="STATE_REVOKED"), "--action", "read", "--for", "support")
    assert "refused: the agreement was not active" in " ".join(ended.output.split())


def test_terms_that_are_not_those_that_were_signed_are_wrong(tmp_path):
    found = run("licence", "explain", saved(tmp_path, signed="0" * 64))
    assert found.exit_code == 2
    assert "not those that were signed" in " ".join(found.output.replace("│", " ").split())


def test_odrl_is_written_and_read_back_without_a_server(tmp_path):
    made = run("licence", "odrl", "research-only")
    path = tmp_path / "research.jsonld"
    path.write_text(made.output)
    before, after = run("--json", "licence", "explain", "research-only"), run("--json", "licence", "explain", str(path))
    assert json.loads(before.output)["terms_sha256"] == json.loads(after.output)["terms_sha256"]


def test_what_is_neither_says_which_templates_there_are():
    found = run("licence", "explain", "nothing-like-it")
    assert found.exit_code == 2
    assert "research-only" in found.output


def test_seats_that_nobody_counts_or_names_are_said_to_be_words(tmp_path):
    path = tmp_path / "seats.yaml"
    path.write_text(
        "title: By the seat\nspdx: LicenseRef-Memporium-Commercial-Seat-1\n"
        "permissions:\n  - actions: [read]\n    forms: [plaintext]\n"
    )
    said = "neither counted nor named, so they are not enforced"
    assert said in " ".join(run("licence", "explain", str(path)).output.split())
    path.write_text(path.read_text() + "    max-seats: 2\n")
    assert said not in " ".join(run("licence", "explain", str(path)).output.split())
