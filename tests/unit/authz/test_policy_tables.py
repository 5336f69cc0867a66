"""The tables beside the policies: who may do what, answered by the snapshot and by Casbin itself."""

from pathlib import Path

import pytest
import yaml

from memporium_platform.authz.casbin_oracle import CasbinOracle
from memporium_platform.authz.compile import Compiler
from memporium_platform.authz.entries import Condition, Grouping, Rule
from memporium_platform.authz.roles import entries_of, load_roles, policies_dir

FOLDER = policies_dir()
TABLES = sorted((FOLDER / "tests").glob("*.yaml"))
ROLES = load_roles(FOLDER)


def _rows(table):
    entries = dict(entries_of(ROLES))
    for number, row in enumerate(table.get("bindings", ())):
        entries[f"g{number}"] = Grouping(row["member"], f"roles/{row['role']}", row["org"])
    for number, row in enumerate(table.get("policies", ())):
        tests = tuple(
            Condition(test["attribute"], test["operator"] == "in", frozenset(test["values"]))
            for test in row.get("conditions", ())
        )
        entries[f"p{number}"] = Rule(
            f"p{number}", row["subject"], "acme", row["object"], row["action"], row["effect"] == "allow", tests
        )
    return entries


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table(path: Path):
    table = yaml.safe_load(path.read_text())
    entries = _rows(table)
    compiler = Compiler()
    compiler.update(entries.items())
    snapshot = compiler.snapshot(1)
    oracle = CasbinOracle(
        FOLDER / "model.conf",
        [entry for entry in entries.values() if isinstance(entry, Rule)],
        [entry for entry in entries.values() if isinstance(entry, Grouping)],
        domains={case["org"] for case in table["cases"]},
    )
    for case in table["cases"]:
        question = (case["principal"], case["org"], case["object"], case["action"], case.get("context", {}))
        assert snapshot.decide(*question)[0] is case["allow"], case
        assert oracle.decide(*question) is case["allow"], case


@pytest.mark.parametrize("template", ROLES, ids=lambda template: template.role)
def test_every_role_has_a_table_with_permissions_and_denials(template):
    table = yaml.safe_load((FOLDER / "tests" / f"{template.role}.yaml").read_text())
    assert {case["allow"] for case in table["cases"]} == {True, False}
    assert all(binding["role"] == template.role for binding in table["bindings"])


def test_the_nine_roles_are_shipped():
    assert {template.role for template in ROLES} == {
        "platform-operator", "organisation-owner", "publisher", "subscriber", "curator",
        "auditor", "agent", "member", "guest",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("roles: {a: {description: x, inherits: [b]}}", "b"),
        ("roles: {a: {description: x, actions: ['vault..get']}}", "vault..get"),
        ("roles: {a: {description: x, action: [vault.get]}}", "action"),
    ],
)
def test_a_faulty_role_table_is_refused(tmp_path, text, complaint):
    (tmp_path / "roles.yaml").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_roles(tmp_path)


def test_a_folder_without_the_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        policies_dir(tmp_path)
