"""The whole story between two platforms in processes of their own, over mutual TLS."""

import time

import pytest

from memporium.client.errors import MemporiumError
from support.deployments import Story, two_deployments, wait_for


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_catalogue_agreement_pull_use_statement_revocation_and_comparison(tmp_path):
    with two_deployments(tmp_path) as (north, south):
        story = Story(north, south)
        for step in (story.publish, story.find, story.request, story.agree, story.verify, story.finalize, story.pull):
            step()
        assert story.use() == 3
        wait_for(story.stated)
        story.revoke()
        began = time.monotonic()
        wait_for(lambda: story.state(south) == "REVOKED", limit_s=5)
        assert time.monotonic() - began < 1.0
        with pytest.raises(MemporiumError) as refusal:
            story.use()
        assert refusal.value.reason == "LICENCE_REVOKED"
        compared = wait_for(lambda: _settled(south, story.agreement))
        assert compared.equal, compared.differences
        theirs = wait_for(lambda: _settled(north, story.agreement.replace("press.north", "press")))
        assert theirs.equal, theirs.differences


def _settled(side, agreement):
    found = side.owner.memstore.compare_accounts(name=agreement).comparison
    return found if found.differences or not found.open_entries else None
