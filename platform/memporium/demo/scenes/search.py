"""3. The publisher searches its vault in four ways."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memporium.vault.v1 import cubes_pb2, search_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "It searches by tags, words, meaning, and all of them"
_MODES = (
    ("tags", search_pb2.SEARCH_MODE_TAGS),
    ("full text", search_pb2.SEARCH_MODE_FULL_TEXT),
    ("meaning", search_pb2.SEARCH_MODE_SEMANTIC),
    ("hybrid", search_pb2.SEARCH_MODE_HYBRID),
)


def play(world: World, stage: Stage) -> None:
    """Search in each mode and show the scores of each leg."""
    agent = world.publisher.agent
    tags = agent.vault.list_tags(parent=world.library).tags
    chosen = max(tags, key=lambda tag: tag.cubes).tag
    stage.say(f"  [italic]{world.question}[/italic]")
    rows = []
    for label, mode in _MODES:
        by_tags = mode == search_pb2.SEARCH_MODE_TAGS
        start = time.perf_counter()
        responses = list(
            agent.vault.search_cubes(
                parent=world.library,
                query="" if by_tags else world.question,
                mode=mode,
                filter=cubes_pb2.CubeFilter(tags_all=[chosen] if by_tags else []),
                limit=3,
                explain=True,
            )
        )
        took_ms = (time.perf_counter() - start) * 1000
        hits = [hit for response in responses for hit in response.hits]
        for index, hit in enumerate(hits[:2]):
            text = hit.unit.text or f"{hit.cube.descriptive.title} (tag {chosen})"
            took = f"{took_ms:.0f} ms" if index == 0 else ""
            rows.append((label if index == 0 else "", took, f"{hit.score:.3f}", " ".join(text.split())))
            legs = ", ".join(f"{leg.leg} {leg.score:.2f} (#{leg.rank})" for leg in hit.legs if leg.rank)
            if legs:
                rows.append(("", "", "", f"  by {legs}"))
        if mode == search_pb2.SEARCH_MODE_HYBRID:
            stage.fact("hybrid search, query embedding included", f"{took_ms:.0f} ms")
    stage.table(("mode", "took", "score", "best passages, and each leg's score and rank"), rows, numbers=(1, 2))
