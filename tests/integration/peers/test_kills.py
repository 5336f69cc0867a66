"""Either platform is killed at any moment of the story; after its restart the story goes on to the same end."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from memporium.client.errors import MemporiumError
from support.deployments import Story, two_deployments, wait_for

# Longest time for a step: a restart lies in it.
STEP_S = 300


def repeated(step):
    """Make a step until it is done, whatever the kill leaves of it."""
    limit = time.monotonic() + STEP_S
    while True:
        try:
            return step()
        except (MemporiumError, AssertionError):
            assert time.monotonic() < limit, f"{step.__name__} never ended"
            time.sleep(0.1)


def killed_during(victim, step, delay_s):
    """Make a step while a platform is killed and started again."""
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(repeated, step)
        time.sleep(delay_s)
        # From this thread: a process that a test starts dies with the thread that started it.
        victim.restart()
        made.result()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", ["north", "south"])
def test_the_story_ends_the_same_whoever_is_killed_when(tmp_path, first):
    random = Random(first)
    with two_deployments(tmp_path) as (north, south):
        story = Story(north, south, duties=("OBTAIN_CONSENT",))
        story.publish()
        story.find()
        victims = [north, south] if first == "north" else [south, north]
        made = (story.request, story.agree, story.verify, story.finalize, story.pull, story.consent)
        steps = (*made, story.use, story.settle, story.revoke)
        for number, step in enumerate(steps):
            killed_during(victims[number % 2], step, random.random() * 0.15)
            if step == story.use:
                wait_for(story.stated)
        wait_for(lambda: story.state(south) == "REVOKED")
        ours, theirs = ([one.document.payload for one in story.statements(side)] for side in (south, north))
        assert ours == theirs
        for side, org, agreement in (
            (north, "press", story.agreement.replace("press.north", "press")),
            (south, "globex", story.agreement),
        ):
            memstore = side.owner.memstore
            assert len(memstore.list_agreements(parent=f"orgs/{org}").agreements) == 1
            assert len(memstore.list_negotiations(parent=f"orgs/{org}").negotiations) == 1
            compared = wait_for(lambda name=agreement, at=memstore: _settled(at, name))
            assert compared.equal, compared.differences


def _settled(memstore, agreement):
    found = memstore.compare_accounts(name=agreement).comparison
    return found if found.differences or not found.open_entries else None
