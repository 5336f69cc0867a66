"""The breaking check really fails where a change would break clients of the last release."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[3] / "protos"


def load(name):
    spec = importlib.util.spec_from_file_location(f"protos_{name}", PROTOS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lint = load("lint")
pytestmark = pytest.mark.skipif(
    not (Path(sys.executable).parent / "buf").exists(), reason="buf is not installed (extra dev)"
)


def changed(tmp_path, file, old, new):
    root = tmp_path / "protos"
    shutil.copytree(PROTOS / "memporium", root / "memporium")
    path = root / "memporium" / file
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new))
    return root


def test_the_present_protos_are_clean_and_break_nothing():
    assert lint.check() == 0


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("memstore/v1/terms.proto", "string spdx_expression = 4;", "string spdx = 4;"),
        ("memstore/v1/terms.proto", "string spdx_expression = 4;", "int64 spdx_expression = 4;"),
        ("memstore/v1/terms.proto", "string spdx_expression = 4;", "string spdx_expression = 7;"),
        ("memstore/v1/terms.proto", "LICENCE_ACTION_BENCHMARK = 10;", "LICENCE_ACTION_MEASURE = 10;"),
        ("vault/v1/vault_service.proto", "rpc GetCube(", "rpc ReadCube("),
        ("inference/v1/convert.proto", "double loss = 4;", "repeated double loss = 4;"),
    ],
)
def test_a_breaking_change_fails(tmp_path, capfd, file, old, new):
    assert lint.check(changed(tmp_path, file, old, new)) != 0
    assert Path(file).name in "".join(capfd.readouterr())


def test_a_missing_comment_fails(tmp_path):
    root = changed(tmp_path, "memstore/v1/terms.proto", "  // A title for people.\n", "")
    assert lint.check(root) != 0


def test_a_new_field_is_no_breaking_change(tmp_path):
    new = "string title = 6;\n  // Something new.\n  string novelty = 7;"
    assert lint.check(changed(tmp_path, "memstore/v1/terms.proto", "string title = 6;", new)) == 0


def test_without_a_release_nothing_is_taken_for_granted(tmp_path):
    assert lint.check(released=tmp_path / "absent.binpb") == 1


def test_names_are_british():
    american = re.compile(r"organiz|(?<!field_)behavior|\blicense\b|\bcatalog\b|\bcolor\b", re.IGNORECASE)
    for path in PROTOS.glob("memporium/**/*.proto"):
        assert not american.search(path.read_text()), f"{american.search(path.read_text())} in {path}"
