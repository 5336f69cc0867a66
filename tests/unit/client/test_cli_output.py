from __future__ import annotations

import json

import pytest
from google.protobuf import timestamp_pb2

from memporium.cli import _output, _plain, _terms
from memporium.cli._pages import all_pages
from memporium.governance.v1 import organisation_pb2, principal_pb2
from memporium.memstore.v1 import agreement_pb2, listing_pb2, terms_pb2
from memporium.vault.v1 import vault_service_pb2

LONG = "orgs/a-publisher-with-a-long-name/listings/a-pack-with-a-long-name/releases/01m7zaqws33c6hwwdtbtbex5q8"


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    monkeypatch.setattr(_output.console, "width", 80)
    token = _output.names_only.set(False)
    yield
    _output.names_only.reset(token)


def principal(name="orgs/acme/principals/ada"):
    return principal_pb2.Principal(
        name=name,
        kind=principal_pb2.PRINCIPAL_KIND_WORKLOAD,
        create_time=timestamp_pb2.Timestamp(seconds=1_800_000_000, nanos=123_000_000),
        disabled=True,
    )


def test_fields_are_words_for_people():
    assert dict(_plain.fields(principal())) == {
        "name": "orgs/acme/principals/ada",
        "kind": "workload",
        "create_time": "2027-01-15 08:00:00Z",
        "disabled": "yes",
    }


def test_nested_and_repeated_fields_have_paths_and_long_bytes_are_counted():
    signed = agreement_pb2.SignedDocument(
        payload=b"x" * 33, signatures=[{"organisation": "orgs/a", "signature": b"12"}]
    )
    assert dict(_plain.fields(signed)) == {
        "payload": "(33 bytes)",
        "signatures[1].organisation": "orgs/a",
        "signatures[1].signature": "MTI=",
    }
    assert dict(_plain.fields(signed, skip=frozenset({"signatures"}))) == {"payload": "(33 bytes)"}


def test_durations_are_days_or_seconds():
    window = terms_pb2.LicenceWindow()
    window.duration.FromSeconds(30 * 86400)
    assert _plain.pick(window, "duration") == "30 days"
    window.duration.FromSeconds(90)
    assert _plain.pick(window, "duration") == "90 s"
    assert _plain.pick(terms_pb2.LicenceWindow(), "duration") == ""


def test_picking_goes_through_nested_messages():
    listing = listing_pb2.Listing(name="l", audience={"scope": listing_pb2.Audience.SCOPE_PUBLIC}, tags=["a", "b"])
    assert _plain.pick(listing, "audience.scope") == "public"
    assert _plain.pick(listing, "tags") == "a, b"
    assert _plain.pick(listing, "terms.title") == ""


def test_a_table_fits_80_columns_or_becomes_blocks(capsys):
    _output.show_all([principal()], ["name", "kind"], as_json=False)
    head, row, count = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "kind"]
    assert head.index("kind") == row.index("workload")
    assert count == "1 shown"
    _output.show_all([principal(LONG)], ["name", "kind", "create_time", "disabled"], as_json=False)
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == LONG, "a name can be copied whole"
    assert second == "  kind: workload  create time: 2027-01-15 08:00:00Z  disabled: yes"


def test_long_values_are_whole_on_their_own_line(capsys):
    _output.show(principal(LONG), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["name", f"  {LONG}"]
    assert "kind         workload" in lines


def test_what_looks_like_markup_is_text(capsys):
    _output.show(principal("[red]x[/red]"), as_json=False)
    assert "[red]x[/red]" in capsys.readouterr().out


def test_json_is_one_document_and_names_are_lines(capsys):
    _output.show_all([principal(), principal("b")], ["name"], as_json=True)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["orgs/acme/principals/ada", "b"]
    _output.names_only.set(True)
    _output.show_all([principal(), principal("b")], ["name"], as_json=False)
    assert capsys.readouterr().out == "orgs/acme/principals/ada\nb\n"
    response = organisation_pb2.CreateOrganisationResponse(organisation={"name": "orgs/acme"})
    _output.show(response, as_json=False)
    assert capsys.readouterr().out == "orgs/acme\n"


def test_streams_are_json_lines(capsys):
    for _ in range(2):
        _output.print_json_line(principal())
    assert [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()] == [
        "PRINCIPAL_KIND_WORKLOAD"
    ] * 2


def test_lists_are_read_to_their_last_page():
    asked = []

    def call(*, page_size, page_token, parent):
        asked.append((parent, page_token))
        vaults = [{"name": f"v{len(asked)}"}]
        return vault_service_pb2.ListVaultsResponse(vaults=vaults, next_page_token="" if page_token else "next")

    assert [vault.name for vault in all_pages(call, "vaults", parent="orgs/acme")] == ["v1", "v2"]
    assert asked == [("orgs/acme", ""), ("orgs/acme", "next")]


def test_terms_are_read_by_name_from_a_template_file_and_in_the_apis_shape(tmp_path):
    named = _terms.read("evaluation")
    assert named.title == "Evaluation"
    file = tmp_path / "own.yaml"
    file.write_text("title: Own\npermissions:\n  - actions: [read]\n    forms: [plaintext]\n    for: 3 days\n")
    assert _terms.read(str(file)).permissions[0].constraints.window.duration.seconds == 3 * 86400
    api = tmp_path / "api.json"
    api.write_text(
        json.dumps(
            {"title": "Api", "permissions": [{"actions": ["LICENCE_ACTION_READ"], "forms": ["MEMORY_FORM_PLAINTEXT"]}]}
        )
    )
    assert list(_terms.read(str(api)).permissions[0].actions) == [terms_pb2.LICENCE_ACTION_READ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("permissions: [", "not YAML"),
        ("permisions: []", "must be a mapping"),
        ("permissions:\n  - actions: [reed]\n    forms: [plaintext]\n", "reed"),
        ('{"permissions": [{"actions": ["LICENCE_ACTION_READ"], "froms": []}]}', "froms"),
        ('"LICENCE_ACTION_READ"', "terms.yaml"),
    ],
)
def test_wrong_terms_are_named_with_their_place(tmp_path, text, says):
    file = tmp_path / "terms.yaml"
    file.write_text(text)
    with pytest.raises(Exception, match=says) as error:
        _terms.read(str(file))
    assert type(error.value).__name__ == "BadParameter"


def test_every_template_is_listed(capsys):
    _terms.show_templates("", as_json=True)
    shown = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert {"evaluation", "internal", "on-platform-only", "research-only", "commercial-per-seat"} == set(shown)
    assert all(one["title"] and one["purpose"] for one in shown.values())
