"""Bundles that were made once and are kept: every later version verifies them, in both implementations."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from memporium.verify.bundle import folder as second
from memporium.verify.bundle.documents import BundleRefusedError, Key, Trust
from memporium_platform.bundle import offline
from memporium_platform.bundle.recipients import HybridPrivateKey
from memporium_platform.errors import PlatformError

GOLDEN = sorted(path for path in (Path(__file__).parents[2] / "golden" / "bundles").glob("*/*") if path.is_dir())
OUTSIDE = ["SIZE_CAPS", "ENVELOPE", "TRUST_ROOT", "PAYLOAD", "FRESHNESS", "SNAPSHOT", "SEGMENT_DIGEST"]
INSIDE = [*OUTSIDE[:6], "GRANT", "KEY", "SEGMENT_DIGEST", "DECRYPTION", "DECOMPRESSION", "STREAM_DIGEST", "FORMAT"]


def by_platform(folder: Path, *, private: bytes, trust: bytes, at: datetime) -> list[str]:
    """Verify with the platform's implementation; return the checks that were passed."""
    key = None
    if private:
        plain = len(private) == 32
        key = (
            X25519PrivateKey.from_private_bytes(private)
            if plain
            else HybridPrivateKey.from_seeds(private[:64], private[64:])
        )
    try:
        return [str(step) for step in offline.verify_folder(folder, offline.trust_root([trust.hex()]), now=at, key=key)]
    except PlatformError as error:
        raise BundleRefusedError(error.metadata["step"], error.message) from error


def by_specification(folder: Path, *, private: bytes, trust: bytes, at: datetime) -> list[str]:
    """Verify with the second implementation; return the checks that were passed."""
    return list(second.verify(folder, Trust([Key.parse(trust)]), now=at, key=private))


def known(folder: Path, *, inside: bool = True) -> dict:
    """Return with what a golden bundle is verified."""
    expected = json.loads((folder / "expected.json").read_text())
    return {
        "private": bytes.fromhex((folder / "reader.hex").read_text()) if inside else b"",
        "trust": bytes.fromhex(expected["trust"]),
        "at": datetime.fromisoformat(expected["at"]),
    }


@pytest.fixture(params=[by_platform, by_specification], ids=["platform", "specification"])
def verify(request):
    return request.param


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_golden_bundle_verifies(folder, verify):
    assert verify(folder, **known(folder)) == INSIDE
    assert verify(folder, **known(folder, inside=False)) == OUTSIDE


def test_there_are_golden_bundles_of_every_kind():
    assert {path.name for path in GOLDEN} >= {"release", "release-with-part", "hybrid", "rotated", "empty"}


@pytest.fixture
def copy(tmp_path):
    """Return a function that copies a golden bundle to where it may be damaged."""

    def copied(name: str) -> Path:
        source = next(path for path in GOLDEN if path.name == name)
        return Path(shutil.copytree(source, tmp_path / name))

    return copied


def refused(verify, folder: Path, **changes) -> str:
    with pytest.raises(BundleRefusedError) as caught:
        verify(folder, **(known(folder) | changes))
    return caught.value.step


def test_every_pair_of_segments_swapped(copy, verify):
    folder = copy("release")
    segments = {path: path.read_bytes() for path in folder.iterdir() if len(path.name) == 64}
    assert len(segments) > 8
    for one, other in permutations(segments, 2):
        if one.name > other.name:
            continue
        one.write_bytes(segments[other])
        other.write_bytes(segments[one])
        assert refused(verify, folder) == "SEGMENT_DIGEST"
        one.write_bytes(segments[one])
        other.write_bytes(segments[other])


def verdicts(folder: Path) -> set[str]:
    """Return at which checks the two implementations refuse; "" for one that accepts."""
    found = set()
    for verify in (by_platform, by_specification):
        try:
            verify(folder, **known(folder))
            found.add("")
        except BundleRefusedError as error:
            found.add(error.step)
    return found


@pytest.mark.parametrize("name", ["release-with-part", "rotated", "hybrid"])
def test_both_refuse_the_same_damage_at_the_same_check(copy, name):
    folder = copy(name)
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".hex"}:
            continue
        original = path.read_bytes()
        stride = max(1, len(original) // 25)
        damaged = [original[:n] for n in range(0, len(original), stride)]
        damaged += [
            original[:at] + bytes([original[at] ^ 1 << at % 8]) + original[at + 1 :]
            for at in range(0, len(original), stride)
        ]
        for data in damaged:
            path.write_bytes(data)
            steps = verdicts(folder)
            assert len(steps) == 1, (path.name, steps)
            # A manifest that was signed again carries a signature that no one needs any more.
            assert steps != {""} or (name, path.name) == ("rotated", "manifest")
        path.unlink()
        assert len(steps := verdicts(folder)) == 1
        assert steps != {""}
        path.write_bytes(original)


def test_the_wrong_key_time_and_trust(copy, verify):
    folder = copy("release")
    values = known(folder)
    assert refused(verify, folder, private=bytes(31) + b"\x01") == "GRANT"
    assert refused(verify, folder, at=values["at"] + timedelta(hours=2)) == "FRESHNESS"
    assert refused(verify, folder, at=values["at"] - timedelta(hours=2)) == "FRESHNESS"
    assert (
        refused(verify, folder, trust=bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
        == "TRUST_ROOT"
    )


def test_a_manifest_is_verified_beside_its_objects(copy):
    folder = copy("release")
    (folder / "manifest").rename(folder / "m.bin")
    assert list(second.verify(folder / "m.bin", Trust([Key.parse(known(folder)["trust"])]), now=known(folder)["at"]))
