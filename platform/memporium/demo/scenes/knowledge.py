"""2. The publisher fills an expert vault with real documents, or with dialogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from memporium.sources import documents, turns
from memporium.vault.v1 import vault_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "The publisher fills an expert vault"
# Long texts take minutes on a small machine: remembering must not run into the usual deadline.
_TIMEOUT_S = 3600.0
# One call could take them all; a few a call let the bar show what is stored.
_DOCUMENTS_A_CALL = 8


def play(world: World, stage: Stage) -> None:
    """Make the vault and remember everything in it."""
    agent = world.publisher.agent
    world.library = world.publisher.owner.vault.create_vault(
        parent=world.publisher.name,
        vault_id="library",
        vault=vault_pb2.Vault(kind=vault_pb2.VAULT_KIND_EXPERT_KNOWLEDGE, description="What the publisher sells."),
    ).vault.name
    start = time.perf_counter()
    if world.data is not None and turns.is_dialogue(world.data):
        cubes, source = _dialogue(world, stage, agent), f"dialogue in {world.data.name}"
    else:
        cubes, source = _documents(world, stage, agent)
    took_s = time.perf_counter() - start
    stage.ok(f"{source}: {cubes} memories, encrypted at rest, indexed and found at once", took_s)
    stage.fact("memories remembered a second", f"{cubes / took_s:.0f}")


def _documents(world: World, stage: Stage, agent: Any) -> tuple[int, str]:
    found = documents.python_reference() if world.data is None else documents.load(world.data)
    world.question = (
        "What does the with statement do with the context manager?" if world.data is None else found[0].title
    )
    cubes = 0
    with stage.progress("remembering documents", len(found)) as move:
        for start in range(0, len(found), _DOCUMENTS_A_CALL):
            part = found[start : start + _DOCUMENTS_A_CALL]
            requests = documents.requests(world.library, part, tags=["reference"])
            cubes += len(agent.reader.remember_documents(requests, timeout_s=_TIMEOUT_S).cubes)
            move(advance=len(part))
    what = "the Python language reference inside CPython" if world.data is None else str(world.data)
    return cubes, f"{len(found)} documents ({what})"


def _dialogue(world: World, stage: Stage, agent: Any) -> int:
    if world.data is None:
        return 0
    sessions = turns.load(world.data)
    world.question = f"What did {sessions[0].turns[0][1]} talk about?"
    cubes = 0
    with stage.progress("remembering sessions", len(sessions)) as move:
        for session in sessions:
            requests = turns.requests(world.library, session, tags=["dialogue"])
            cubes += len(agent.reader.remember(requests, timeout_s=_TIMEOUT_S).cubes)
            move(advance=1)
    return cubes
