"""Usage that is stated by hand, for tests of what the other platform takes and refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium_platform.names import new_id
from memporium_services.memstore.app.peering.peering import say
from memporium_services.memstore.domain.peering import speech

if TYPE_CHECKING:
    from support.peers import Side

Line = dict[str, str | int]


def line(calls: int = 1, action: str = "READ", **units: int) -> Line:
    """Return a total."""
    return {"action": action, "form": "PLAINTEXT", "calls": calls, "memories": 0, "tokens": 0, "bytes": 0} | {
        "derivations": 0,
        **units,
    }


async def state(
    south: Side, agreement: str, number: int, *lines: Line, previous: str = "", org: str = "buyer", **more: Any
) -> tuple[str, str, str]:
    """Say what was used; return outcome and reason of the answer, and the digest of what was said."""
    peering = south.parts.peering
    fields = {
        "from": "south",
        "to": "north",
        "id": new_id(datetime.now(UTC)),
        "organisation": f"orgs/{org}",
        "kind": "usage",
        "resource": agreement.replace("orgs/seller.north/", "orgs/seller/"),
        "sequence": number,
        "trigger": "state",
        "time_us": 1,
        "reason": "",
        "previous": previous,
        "lines": list(lines),
        **more,
    }
    said = say(await peering.market.signers.of(org), speech.MESSAGE_TYPE, speech.written("message", **fields))
    peer = await peering.peer("north")
    answer, _ = await south.parts.calls.deliver(peer, said, await peering.statement(org))
    found = speech.read("answer", answer, speech.ANSWER_TYPE)
    return found["outcome"], found["reason"], said.sha256
