"""Part of 8: half of a copy turns up elsewhere, disguised, and names the agreement that it was handed out under."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium.demo.stage import UnexpectedError
from memporium.transfer.v1 import tracing_pb2
from memporium.transfer.v1 import transfer_service_pb2 as transfer
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

_PAGE = 200
_UNTRACED = {tracing_pb2.TRACE_PROMISE_UNSPECIFIED, tracing_pb2.TRACE_PROMISE_NONE}


def trace(world: World, stage: Stage) -> None:
    """Let a copy leak, and ask the publisher's platform whose it was; say so where the pack is too small to tell."""
    publisher = world.publisher.owner
    promised = publisher.memstore.get_listing(name=world.listing).listing.tracing
    if promised.promise in _UNTRACED:
        stage.say(f"  no copy is traced: {promised.statement or 'the pack is too small'}")
        return
    sample = _leaked(world).encode()
    stage.ok(
        f"half of the subscriber's copy turns up elsewhere: out of order, in lower case, {len(sample) / 1e3:.0f} KB"
    )
    header = transfer.TraceLeakHeader(parent=world.publisher.name, listing=world.listing)
    parts = [transfer.TraceLeakRequest(header=header), transfer.TraceLeakRequest(data=sample)]
    began = time.perf_counter()
    found = publisher.transfer.trace_leak(iter(parts), timeout_s=600.0)
    took_s = time.perf_counter() - began
    accused = [suspect for suspect in found.suspects if suspect.accused]
    if [suspect.agreement for suspect in accused] != [world.agreement]:
        raise UnexpectedError(f"the copy of {world.agreement} was not traced to it alone: {found.explanation}")
    stage.ok(f"traced to [bold]{accused[0].recipient}[/bold], z {accused[0].z:.0f} where 6 accuses", took_s)
    stage.ok(f"among {found.recipient_count} copies; the marks were committed to in the audit log before delivery")


def _leaked(world: World) -> str:
    """Return every second text of the pack, the last first, without capitals."""
    texts: list[str] = []
    token = ""
    while True:
        page = world.subscriber.agent.vault.list_cubes(
            parent=world.pack,
            filter=cubes_pb2.CubeFilter(forms=[cube_pb2.MEMORY_FORM_PLAINTEXT]),
            view=cubes_pb2.CUBE_VIEW_FULL,
            page_size=_PAGE,
            page_token=token,
        )
        plain = [cube.payload.plaintext for cube in page.cubes]
        texts += [one.document.text or one.mem_cell.episode for one in plain]
        token = page.next_page_token
        if not token:
            return "\n".join(texts[::-2]).lower()
