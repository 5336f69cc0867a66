"""The tier's uses and figures, as the answers of the protos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from memporium.inference.v1 import tier_pb2
from memporium_services.inference.convert.events import form_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memporium_services.inference.app.tier_watch import TierWatch
    from memporium_services.inference.domain.recorded_uses import RecordedUse

# Some 150 bytes each: messages of a fifth of a MiB at most.
_USES_A_MESSAGE = 1_000


def trace(uses: Sequence[RecordedUse], dropped: int) -> Iterator[tier_pb2.ReadTierTraceResponse]:
    """Yield the answers of ReadTierTrace; at least one."""
    for start in range(0, max(1, len(uses)), _USES_A_MESSAGE):
        some = [_use(one) for one in uses[start : start + _USES_A_MESSAGE]]
        yield tier_pb2.ReadTierTraceResponse(uses=some, dropped=0 if start else dropped)


async def usage(tier: TierWatch, tenant: str) -> tier_pb2.GetTierUsageResponse:
    """Return the answer of GetTierUsage."""
    figures, held_bytes, on_disk_bytes, recorded = await tier.usage(tenant)
    found = tier_pb2.TierUsage(
        policy=tier.policy,
        budget_bytes=tier.budget_bytes,
        held_bytes=held_bytes,
        hits=figures.hits,
        misses=figures.misses,
        prefetched=figures.prefetched,
        prefetched_used=figures.prefetched_used,
        prefetched_bytes=figures.prefetched_bytes,
        recorded_uses=recorded,
        disk_budget_bytes=tier.disk_budget_bytes,
        disk_held_bytes=on_disk_bytes,
        disk_hits=figures.disk_hits,
    )
    return tier_pb2.GetTierUsageResponse(usage=found)


def _use(one: RecordedUse) -> tier_pb2.TierUse:
    at = Timestamp()
    at.FromDatetime(one.at)
    return tier_pb2.TierUse(
        cube=one.cube,
        form=form_of(one.form),
        size_bytes=one.size_bytes,
        saved_s=one.saved_s,
        agent=one.agent,
        use_time=at,
        key=one.key,
    )
