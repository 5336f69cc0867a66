"""9. The audit log of both sides verifies, and tampering with one record is named."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memporium.audit_verify import verify_export
from memporium.demo.stage import UnexpectedError
from memporium.governance.v1 import audit_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import Party, World

TITLE = "Both audit logs verify, offline"


def play(world: World, stage: Stage) -> None:
    """Export each log, verify it, then alter one record and see it named."""
    for party in (world.publisher, world.subscriber):
        exported = _export(party)
        checkpoint = party.owner.governance.get_checkpoint(parent=party.name).checkpoint
        start = time.perf_counter()
        report = verify_export(exported, verifier_key=checkpoint.verifier_key)
        if report.problems:
            raise UnexpectedError(f"the log of {party.name} does not verify: {report.problems[0]}")
        took_s = time.perf_counter() - start
        stage.ok(f"{party.name}: {report.records} records under one signed root {report.root_hash[:16]}", took_s)
    altered = exported.replace(b"ALLOW", b"DENY", 1)
    problems = verify_export(altered, verifier_key=checkpoint.verifier_key).problems
    if not problems:
        raise UnexpectedError("an altered record was not noticed")
    stage.say(f"  [red]✗[/red] one record altered: {problems[0]}")


def _export(party: Party) -> bytes:
    chunks = party.owner.governance.export_log(parent=party.name, format=audit_pb2.EXPORT_FORMAT_JSON_LINES)
    return b"".join(response.data for response in chunks)
