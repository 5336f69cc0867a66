"""The whole story between two platforms in processes of their own, over mutual TLS."""

import pytest

from memporium.client.errors import MemporiumError
from memporium.transfer.v1.bundle_pb2 import Manifest, Suite
from memporium_platform.bundle import dsse
from support.deployments import Story, two_deployments, wait_for


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_catalogue_agreement_pull_use_statement_revocation_and_comparison(tmp_path):
    # Keys of two halves: the bundle is sealed to the subscriber by X25519 with ML-KEM, and signed with ML-DSA as well.
    with two_deployments(tmp_path, MEMPORIUM_TRANSFER_SUITE="hybrid") as (north, south):
        story = Story(north, south)
        for step in (story.publish, story.find, story.request, story.agree, story.verify, story.finalize, story.pull):
            step()
        assert story.use() == 3
        assert _suite(north) == Suite.SUITE_MCB1_HYBRID_AES256GCM
        wait_for(story.stated)
        story.revoke()
        wait_for(lambda: story.state(south) == "REVOKED")
        with pytest.raises(MemporiumError) as refusal:
            story.use()
        assert refusal.value.reason == "LICENCE_REVOKED"
        compared = wait_for(lambda: _settled(south, story.agreement))
        assert compared.equal, compared.differences
        theirs = wait_for(lambda: _settled(north, story.agreement.replace("press.north", "press")))
        assert theirs.equal, theirs.differences


def _suite(north):
    """Return the suite of the bundle that north has sealed."""
    transfer = north.owner.transfer
    [bundle] = transfer.list_bundles(parent="orgs/press").bundles
    pieces = transfer.download_bundle_object(parent="orgs/press", bundle=bundle.name, object="manifest")
    return Manifest.FromString(dsse.parse(b"".join(piece.data for piece in pieces)).payload).suite


def _settled(side, agreement):
    found = side.owner.memstore.compare_accounts(name=agreement).comparison
    return found if found.differences or not found.open_entries else None
