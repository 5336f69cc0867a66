"""The inference service, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from memporium.inference.v1.inference_service_pb2_grpc import add_InferenceServiceServicer_to_server
from memporium_platform.crypto.shares import Shares
from memporium_platform.names import new_id
from memporium_services.inference.adapters.big_buffers import Buffers
from memporium_services.inference.adapters.blobs_in_force_grpc import GrpcBlobsInForce
from memporium_services.inference.adapters.checkpoints import ObjectCheckpoints
from memporium_services.inference.adapters.entitlements_grpc import GrpcEntitlements
from memporium_services.inference.adapters.models import build_registry
from memporium_services.inference.adapters.sealed_disk import SealedDisk
from memporium_services.inference.adapters.trace_store import ObjectTraces
from memporium_services.inference.adapters.vault_grpc import GrpcMemoryVault
from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.blobs_in_force import Forgotten
from memporium_services.inference.app.conversion import Conversion
from memporium_services.inference.app.generation import Generation, Limits
from memporium_services.inference.app.making import Making
from memporium_services.inference.app.merging import Merging
from memporium_services.inference.app.prefetch import Prefetch
from memporium_services.inference.app.probing import Probing
from memporium_services.inference.app.scoring import Scoring
from memporium_services.inference.app.tier_journal import TierJournal
from memporium_services.inference.app.tier_uses import TierUses
from memporium_services.inference.app.tier_watch import TierWatch
from memporium_services.inference.app.training import Training
from memporium_services.inference.app.watermarks import Watermarks
from memporium_services.inference.servicer import InferenceServicer
from memporium_services.inference.servicer_parameters import Parameters
from memporium_services.inference.settings import InferenceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from memporium_platform.kernel import Kernel
    from memporium_services.inference.app.registry import Registry

_log = structlog.get_logger("memporium.inference")


class InferenceModule:
    """The running service. It keeps nothing but trainings and traces: all else is rebuilt from files and the vault."""

    name = "inference"

    def __init__(
        self,
        servicer: InferenceServicer,
        registry: Registry,
        agreements: Agreements,
        tier: TierWatch,
        forgotten: Forgotten,
    ) -> None:
        """Run these parts."""
        self._forgotten = forgotten
        self._tier = tier
        self._servicer = servicer
        self._registry = registry
        self._agreements = agreements

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_InferenceServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Follow the state of agreements, and what the vaults forget."""
        self._tier.start()
        self._agreements.start()
        self._forgotten.start()

    async def stop(self) -> None:
        """Release the models."""
        await self._forgotten.stop()
        await self._agreements.stop()
        await self._tier.close()
        await self._registry.close()


async def build(kernel: Kernel) -> InferenceModule:
    """Return the service; models load at their first use."""
    settings = InferenceSettings()
    shares = Shares(kernel.objects, kernel.keys)
    in_force = GrpcBlobsInForce(kernel.channels)
    checkpoints = ObjectCheckpoints(
        kernel.objects,
        shares,
        clock=kernel.clock,
        keep_s=settings.checkpoint_keep_s,
        known=in_force.knows_training,
    )
    registry = build_registry(settings, kernel.settings.data_dir, checkpoints=checkpoints, secret=kernel.keys.derive)
    buffers = Buffers(settings.spare_buffer_bytes)
    vault = GrpcMemoryVault(kernel.channels, max_blob_bytes=settings.max_blob_bytes, buffers=buffers)
    files = _disk(settings.disk_tier_folder or kernel.settings.data_dir / "tensors", settings.disk_tier_bytes, buffers)
    cache = BlobCache(
        settings.blob_cache_bytes,
        policy=settings.blob_cache_policy,
        files=files,
        disk_bytes=settings.disk_tier_bytes,
        spare=buffers,
    )
    entitlements = GrpcEntitlements(kernel.channels)
    uses = TierUses(kernel.keys.derive("inference/tier-uses"), most_a_tenant=settings.trace_uses)
    traces = ObjectTraces(kernel.objects, kernel.keys, kernel.clock, most=settings.trace_uses)
    journal = TierJournal(uses, traces, every_s=settings.trace_keep_every_s)
    prefetch = Prefetch(vault, cache, budget_bytes=settings.prefetch_bytes)
    tier = TierWatch(uses, journal, prefetch, cache, kernel.clock)

    def unload(agreement: str) -> None:
        cache.drop_agreement(agreement)
        registry.drop_agreement(agreement)

    agreements = Agreements(entitlements, on_end=unload)
    forgotten = Forgotten(
        in_force,
        cache,
        every_s=settings.forgotten_check_s,
        on_drop=registry.drop_adapters,
    )
    watermarks = Watermarks(registry, kernel.keys.derive)
    limits = Limits(max_prompt_tokens=settings.max_prompt_tokens, max_input_bytes=settings.max_input_bytes)
    making = Making(registry, vault, agreements, new_id=lambda: new_id(kernel.clock.now()))
    servicer = InferenceServicer(
        registry,
        Generation(registry, vault, cache, agreements, watermarks, entitlements, limits, tier=tier),
        Conversion(making),
        Parameters(Training(making, checkpoints), Merging(making), Probing(making)),
        watermarks,
        tier,
        scoring=Scoring(registry),
        tokens=kernel.page_tokens,
        settings=settings,
    )
    return InferenceModule(servicer, registry, agreements, tier, forgotten)


def _disk(folder: Path, budget_bytes: int, buffers: Buffers) -> SealedDisk | None:
    """Return the files of the disk tier, None where there is to be none or can be none."""
    if not budget_bytes:
        return None
    try:
        return SealedDisk(folder, buffers)
    except OSError as error:
        _log.warning("inference.no_disk_tier", folder=str(folder), error=error.strerror or type(error).__name__)
        return None
