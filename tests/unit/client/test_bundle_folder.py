"""Downloads of bundles: they go on where they broke off, and take over what another version brought."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from memporium.cli._bundle_folder import download_bundle, verify_folder
from memporium.client import MemporiumError
from support.bundle_attacks import OTHER
from support.bundles import SMALL, Publisher, text_record

press = Publisher(sizes=SMALL)


class Platform:
    """Hands out the objects of one bundle; counts, and breaks off when told to."""

    def __init__(self, records, *, number=1, part=False):
        sealed = press.seal(records, number=number, part_cube_count=int(part))
        if part:
            sealed = press.with_part(sealed, records[:1])
        documents = press.documents(sealed)
        named = {
            "manifest": documents.manifest,
            "snapshot": documents.snapshot,
            "timestamp": documents.signed_time,
            "grant": documents.grant,
            "root": b"",
        }
        self.objects = named | ({"part": documents.part} if part else {}) | sealed.objects
        self.asked: list[str] = []
        self.breaks_at = -1
        self.as_json, self.org = False, "orgs/reader"
        self.client = SimpleNamespace(transfer=SimpleNamespace(download_bundle_object=self.download))

    def download(self, *, object, **_more):  # noqa: A002 - the field's name
        self.asked.append(object)
        if object not in self.objects:
            raise MemporiumError(code="NOT_FOUND", reason="NOT_FOUND", message=object)
        data = self.objects[object]
        yield SimpleNamespace(data=data[:10])
        if len(self.asked) == self.breaks_at:
            raise MemporiumError(code="UNAVAILABLE", reason="UNAVAILABLE", message="broke off")
        yield SimpleNamespace(data=data[10:])

    @property
    def segments(self):
        return [name for name in self.asked if len(name) == 64]


def records(count=30, changed=-1):
    return [text_record(f"c{n}", f"{n} {'changed' if n == changed else 'as it was'} " * 40) for n in range(count)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("part", [False, True])
def test_every_object_lies_under_its_name(tmp_path, part):
    platform = Platform(records(), part=part)
    names = download_bundle(platform, "b", folder=tmp_path / "out", agreement="a")
    assert contents(tmp_path / "out") == platform.objects
    assert sorted(names) == sorted(platform.objects)


def test_a_download_that_broke_off_goes_on(tmp_path):
    platform, folder = Platform(records()), tmp_path / "out"
    total = len([name for name in platform.objects if len(name) == 64])
    assert total > 5
    platform.breaks_at = 10
    with pytest.raises(MemporiumError):
        download_bundle(platform, "b", folder=folder, agreement="")
    before = len(platform.segments)
    assert before < total
    platform.breaks_at = -1
    platform.asked.clear()
    download_bundle(platform, "b", folder=folder, agreement="")
    # All but the whole ones that were there; the one that was cut is fetched again.
    assert len(platform.segments) == total - (before - 1)
    assert contents(folder) == platform.objects


def test_one_that_never_began_leaves_no_folder(tmp_path):
    platform = Platform(records())
    platform.breaks_at = 2
    with pytest.raises(MemporiumError):
        download_bundle(platform, "b", folder=tmp_path / "out", agreement="")
    assert not (tmp_path / "out").exists()


def test_what_another_version_brought_is_not_downloaded_again(tmp_path):
    old, new = Platform(records(200)), Platform(records(200, changed=100), number=2)
    download_bundle(old, "b1", folder=tmp_path / "old", agreement="")
    download_bundle(new, "b2", folder=tmp_path / "new", agreement="", known=tmp_path / "old")
    assert contents(tmp_path / "new") == new.objects
    assert 0 < len(new.segments) <= 4 < len(old.segments)


def test_a_damaged_segment_of_another_version_is_downloaded(tmp_path):
    old, new = Platform(records()), Platform(records(), number=2)
    download_bundle(old, "b1", folder=tmp_path / "old", agreement="")
    for path in (tmp_path / "old").iterdir():
        path.write_bytes(b"damaged")
    download_bundle(new, "b2", folder=tmp_path / "new", agreement="", known=tmp_path / "old")
    assert contents(tmp_path / "new") == new.objects


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(typer.BadParameter):
        download_bundle(Platform(records()), "b", folder=tmp_path, agreement="")
    assert contents(tmp_path) == {"letter.txt": b"dear"}


GOLDEN = Path(__file__).parents[2] / "golden" / "bundles" / "mcb1-1"


def verified(capsys, name, *, inside=False, **changes):
    """Verify a golden bundle as the command does; return the checks that it prints."""
    folder = GOLDEN / name
    expected = json.loads((folder / "expected.json").read_text())
    values = {
        "trust": [base64.b64encode(bytes.fromhex(expected["trust"])).decode()],
        "at": expected["at"],
        "key": folder / "reader.hex" if inside else None,
    }
    verify_folder(SimpleNamespace(as_json=True), folder, **(values | changes))
    return json.loads(capsys.readouterr().out)["passed"]


@pytest.mark.parametrize("name", ["release", "release-with-part", "hybrid", "rotated", "empty"])
def test_a_folder_is_verified_without_a_platform(capsys, name):
    assert len(verified(capsys, name)) == 7
    assert len(verified(capsys, name, inside=True)) == 13


def test_a_refusal_names_the_check(capsys):
    with pytest.raises(MemporiumError) as caught:
        verified(capsys, "release", at="2030-01-01T00:00:00Z")
    assert (caught.value.reason, caught.value.metadata) == ("BUNDLE_REJECTED", {"step": "FRESHNESS"})
    other = base64.b64encode(OTHER.public_key().public_bytes_raw()).decode()
    with pytest.raises(MemporiumError) as caught:
        verified(capsys, "release", trust=[other])
    assert caught.value.metadata == {"step": "TRUST_ROOT"}


def test_two_keys_must_have_signed_where_two_are_asked_for(capsys):
    expected = json.loads((GOLDEN / "release" / "expected.json").read_text())
    keys = [
        base64.b64encode(key).decode()
        for key in (bytes.fromhex(expected["trust"]), OTHER.public_key().public_bytes_raw())
    ]
    assert len(verified(capsys, "release", trust=keys)) == 7
    with pytest.raises(MemporiumError):
        verified(capsys, "release", trust=keys, threshold=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"trust": []},
        {"trust": ["bm8="]},
        {"trust": ["not base64"]},
        {"threshold": 2},
        {"at": "yesterday"},
        {"key": Path("/nowhere")},
    ],
)
def test_wrong_use_is_said(capsys, wrong):
    with pytest.raises(typer.BadParameter):
        verified(capsys, "release", **wrong)
