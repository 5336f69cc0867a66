"""Copies that are marked for their recipient: delivered as a part of its own beside what all recipients share."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from memporium.transfer.v1 import bundle_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.bundle import dsse
from memporium_platform.bundle.tensors import TensorFileCheck
from memporium_services.transfer import module
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from memporium_services.transfer.domain.bundles import Bundle, BundleKind, BundleState
from memporium_services.transfer.ports.marking import NoMarks
from support.bundles import NOW, SIGNER, tensor_file
from support.integration_transfer import LISTING, SOURCE, refusal, running_scene

SECRET_TEXT = "the second fact"


class CountingMarks(NoMarks):
    """Appends the recipient's name to every text, and adds a cube that only this copy has."""

    def __init__(self, copy):
        self.copy, self.commitment = copy, hashlib.sha256(copy.agreement.encode()).digest()

    def cubes(self, cubes):
        for portable in cubes:
            if portable.cube.payload.HasField("plaintext"):
                portable.cube.payload.plaintext.document.text += f" [{self.copy.recipient}]"
        return cubes

    def file(self, cube, data):
        return tensor_file({"marked": [float(len(self.copy.recipient))]})

    def more(self):
        from memporium.vault.v1.cubes_pb2 import PortableCube

        canary = PortableCube()
        canary.cube.name = f"{SOURCE}/cubes/canary"
        canary.cube.payload.plaintext.document.text = f"canary of {self.copy.recipient}"
        return [canary]


class SecondCubes:
    """Wants the cubes that the tests call so."""

    made: list = []  # noqa: RUF012 - of the class, so that a test can look
    slots = words = 0

    def choice(self):
        return self

    def wants(self, portable):
        cube = portable.cube
        return cube.payload.HasField("activation") or SECRET_TEXT in cube.payload.plaintext.document.text

    async def marks(self, copy):
        self.made.append(copy)
        return CountingMarks(copy)


@pytest.fixture
async def marked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CopyMarker", lambda *_args, **_parts: SecondCubes())
    SecondCubes.made.clear()
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["the first fact", SECRET_TEXT], blobs={"kv": tensor_file()})
        yield scene


def texts(scene, vault):
    cubes = scene.vaults.held[vault].cubes
    return {cube_id: portable.cube.payload.plaintext.document.text for cube_id, portable in cubes.items()}


async def test_each_recipient_gets_its_own_copy_and_shares_the_rest(marked):
    response = await marked.seal()
    assert (response.bundle.cube_count, response.bundle.part_cube_count) == (3, 2)
    steps, done = await marked.pull(vault_id="mine")
    assert len(steps) == 15
    assert done.cube_count == 4
    found = texts(marked, "orgs/reader/vaults/mine")
    assert found == {
        "c0": "the first fact",
        "c1": f"{SECRET_TEXT} [orgs/reader]",
        "canary": "canary of orgs/reader",
        "kv": "",
    }
    assert list(marked.vaults.held["orgs/reader/vaults/mine"].blobs.values()) == [tensor_file({"marked": [11.0]})]
    other = marked.market.agree("orgs/press", "orgs/thief", LISTING, "a2")
    await marked.pull(marked.thief, parent="orgs/thief", agreement=other, vault_id="mine")
    assert texts(marked, "orgs/thief/vaults/mine")["c1"] == f"{SECRET_TEXT} [orgs/thief]"
    assert len(marked.objects("parts")) == 2 * 4  # of each: the part, its key, two segments


async def test_a_copy_is_marked_once_and_handed_out_again(marked):
    await marked.seal()
    await marked.pull(vault_id="one")
    stored = {path: path.read_bytes() for path in marked.objects("parts")}
    await marked.pull(vault_id="two")
    assert {path: path.read_bytes() for path in marked.objects("parts")} == stored
    assert len(SecondCubes.made) == 1


async def test_a_changed_or_missing_part_is_refused(marked):
    await marked.seal()
    await marked.pull(vault_id="one")
    for path in marked.objects("parts"):
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        call = marked.pull(vault_id="two")
        error = await refusal(call)
        assert str(error.reason) in {"BUNDLE_REJECTED", "INTEGRITY_FAILURE"}
        path.write_bytes(original)
    assert "orgs/reader/vaults/two" not in marked.vaults.held


async def test_a_part_is_downloaded_and_is_signed_for_its_recipient(marked):
    bundle = (await marked.seal()).bundle.name

    async def download(stub, parent, name, agreement=""):
        request = pb.DownloadBundleObjectRequest(parent=parent, bundle=bundle, agreement=agreement, object=name)
        return b"".join([response.data async for response in stub.DownloadBundleObject(request)])

    envelope = await download(marked.reader, "orgs/reader", "part", marked.agreement)
    part = bundle_pb2.Part.FromString(dsse.parse(envelope).payload)
    assert (part.recipient, part.agreement) == ("orgs/reader", marked.agreement)
    assert part.mark_commitment == hashlib.sha256(marked.agreement.encode()).digest()
    for segment in part.segments:
        data = await download(marked.reader, "orgs/reader", segment.sha256.hex(), marked.agreement)
        assert hashlib.sha256(data).digest() == segment.sha256
    chain = bundle_pb2.RootChain.FromString(await download(marked.reader, "orgs/reader", "root", marked.agreement))
    assert len(chain.roots) == 1
    own = await download(marked.press, "orgs/press", "part")
    assert bundle_pb2.Part.FromString(dsse.parse(own).payload).kind == bundle_pb2.PartKind.PART_KIND_SOURCE


async def test_the_publisher_verifies_its_own_and_deletes_all_copies(marked):
    bundle = (await marked.seal()).bundle.name
    await marked.pull(vault_id="one")
    stream = marked.press.VerifyBundle(pb.VerifyBundleRequest(parent="orgs/press", bundle=bundle))
    assert [response async for response in stream]
    await marked.press.DeleteBundle(pb.DeleteBundleRequest(name=bundle, request_id=str(uuid.uuid4())))
    assert marked.objects("parts") == marked.objects("source-parts") == marked.objects("lines") == []


def test_marked_files_are_files_that_a_bundle_can_carry():
    check = TensorFileCheck(size_limit=1 << 20)
    check.feed(tensor_file({"marked": [1.0]}))
    check.finish()


async def test_of_two_parts_made_at_once_none_gets_the_others_key(marked):
    """Two processes deliver at once; whichever part is stored last comes with its own key."""
    store = StoredBundles(marked.platform.kernel.objects)
    bundle = Bundle(
        org="press",
        bundle_id="b",
        kind=BundleKind.RELEASE,
        state=BundleState.SEALED,
        vault=SOURCE,
        line=LISTING,
        version="1.0.0",
        number=1,
        create_time=NOW,
    )
    one, other = (dsse.sign(payload, "part", [SIGNER]) for payload in (b"one", b"other"))
    await store.put_part(bundle, "a", envelope=one, wrapped_key=b"key of one")
    await store.put_part(bundle, "a", envelope=other, wrapped_key=b"key of the other")
    assert await store.part(bundle, "a") == (other, b"key of the other")
    (path,) = [path for path in marked.objects("parts") if path.name == "part"]
    path.write_bytes(one)
    assert await store.part(bundle, "a") == (one, b"key of one")
