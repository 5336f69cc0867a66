"""A bundle in a folder, verified without a platform."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memporium_platform.bundle.offline import trust_root, verify_folder
from memporium_platform.bundle.steps import VerificationStep
from memporium_platform.errors import PlatformError, Reason
from support.bundles import NOW, READER_KEY, SIGNER, Publisher, tensor_file, text_record

TRUST = trust_root([SIGNER.public_key().public_bytes_raw().hex()])


@pytest.fixture
def folder(tmp_path):
    publisher = Publisher()
    sealed = publisher.seal([text_record("c", "a memory")], [tensor_file()])
    documents = publisher.documents(sealed)
    named = {
        "manifest": documents.manifest,
        "snapshot": documents.snapshot,
        "timestamp": documents.signed_time,
        "grant": documents.grant,
    }
    for name, data in (named | sealed.objects).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_the_outside_of_a_bundle_needs_no_key(folder):
    (folder / "grant").unlink()
    passed = list(verify_folder(folder, TRUST, now=NOW))
    assert passed == [*list(VerificationStep)[:6], VerificationStep.SEGMENT_DIGEST]


def test_a_recipient_verifies_everything(folder):
    assert list(verify_folder(folder, TRUST, now=NOW, key=READER_KEY)) == list(VerificationStep)[:13]


@pytest.mark.parametrize("key", [None, READER_KEY])
def test_every_file_damaged_or_missing_is_refused(folder, key):
    for path in folder.iterdir():
        if key is None and path.name == "grant":
            continue
        original = path.read_bytes()
        for damaged in (original[:-1], original[:-1] + bytes([original[-1] ^ 1]), b"", None):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(PlatformError) as caught:
                list(verify_folder(folder, TRUST, now=NOW, key=key))
            assert caught.value.reason is Reason.BUNDLE_REJECTED
            path.write_bytes(original)


def test_an_old_folder_is_refused_today_and_verified_for_its_own_time(folder):
    with pytest.raises(PlatformError) as caught:
        list(verify_folder(folder, TRUST, now=NOW + timedelta(days=1)))
    assert caught.value.metadata == {"step": "FRESHNESS"}


def test_endless_files_are_refused(folder):
    with (folder / "timestamp").open("ab") as file:
        file.truncate(1 << 30)
    with pytest.raises(PlatformError) as caught:
        list(verify_folder(folder, TRUST, now=NOW))
    assert caught.value.metadata == {"step": "SIZE_CAPS"}


@pytest.mark.parametrize("keys", [[], ["xyz"], ["00"]])
def test_a_trust_root_needs_keys(keys):
    with pytest.raises(PlatformError) as caught:
        trust_root(keys)
    assert caught.value.reason is Reason.INVALID_FIELD
