"""The vault's concerns, put together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from memporium_services.vault.app.applying import Applying
from memporium_services.vault.app.applying_plans import Parts
from memporium_services.vault.app.blob_check import BlobCheck
from memporium_services.vault.app.blobs import Blobs
from memporium_services.vault.app.branching import Branching
from memporium_services.vault.app.changing import Changer
from memporium_services.vault.app.creating import Creating
from memporium_services.vault.app.cubes import Cubes
from memporium_services.vault.app.entitlements import Entitlements
from memporium_services.vault.app.erasing import Erasing
from memporium_services.vault.app.errands import Errands
from memporium_services.vault.app.exporting import Exporting
from memporium_services.vault.app.follower import IndexFollower
from memporium_services.vault.app.forgetting import MAX_FORGET_CUBES, Forgetting
from memporium_services.vault.app.history import History
from memporium_services.vault.app.merging import Merging
from memporium_services.vault.app.mounts import Mounts
from memporium_services.vault.app.past_search import PastSearch
from memporium_services.vault.app.ranking import Ranking
from memporium_services.vault.app.relations import Relations
from memporium_services.vault.app.search import Search
from memporium_services.vault.app.search_results import MAX_LIMIT
from memporium_services.vault.app.sweep import Sweep
from memporium_services.vault.app.transfer_streams import TransferStreams
from memporium_services.vault.app.unit_search import UnitSearch
from memporium_services.vault.app.updating import Updating
from memporium_services.vault.app.uses import UseRecorder
from memporium_services.vault.app.vaults import Vaults
from memporium_services.vault.app.watch import Wakers, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_services.vault.app.forget_asked import ForgetAsked
    from memporium_services.vault.app.runtime import Runtime

MAX_CHUNK_BYTES = 1 << 20


class VaultApp:
    """Everything the vault does."""

    def __init__(self, rt: Runtime, forget_asked: Callable[[bytes], ForgetAsked]) -> None:
        """Work on these ports; `forget_asked` reads the bytes of a request to forget in all vaults."""
        self._rt = rt
        self.follower = IndexFollower(rt)
        self.uses = UseRecorder(rt)
        self.wakers = Wakers()
        self.changer = Changer(rt, self.follower)
        self.vaults = Vaults(rt)
        self.creating = Creating(rt, self.follower)
        self.cubes = Cubes(rt, self.changer, self.uses)
        ranking = Ranking(rt.indexes)
        past = PastSearch(rt, ranking, self.follower)
        self.search = Search(rt, ranking, self.follower, self.uses, past=past)
        self.unit_search = UnitSearch(rt, ranking, self.follower, self.uses, past=past)
        self.watch = Watch(rt, self.wakers)
        self.updating = Updating(rt, self.changer)
        self.merging = Merging(rt, self.follower)
        self.history = History(rt)
        self.relations = Relations(rt)
        self.mounts = Mounts(rt)
        self.blobs = Blobs(rt)
        self.blob_check = BlobCheck(rt)
        self.forgetting = Forgetting(rt, self.follower, self.blobs, self.uses)
        self.errands = Errands(rt, self.forgetting, forget_asked)
        parts = Parts(self.creating, self.changer, self.updating, self.merging, self.forgetting)
        self.applying = Applying(rt, self.follower, parts)
        self.exporting = Exporting(rt, self.uses)
        self.erasing = Erasing(rt, self.follower, self.forgetting)
        self.transfer = TransferStreams(rt, self.follower, self.forgetting)
        self.branching = Branching(rt, self.vaults, self.follower, self.erasing)
        self.sweep = Sweep(rt, self.changer, self.forgetting, self.erasing, self.follower, self.blobs, self.errands)
        self.entitlements = Entitlements(rt, self.forgetting, self.erasing)
        self._tasks: list[asyncio.Task[None]] = []

    def capabilities(self) -> dict[str, Any]:
        """Return the limits, by field of `GetCapabilitiesResponse`."""
        limits = self._rt.settings
        return {
            "max_batch_cubes": limits.max_batch_cubes,
            "max_payload_bytes": limits.max_payload_bytes,
            "max_blob_bytes": limits.max_blob_bytes,
            "max_chunk_bytes": MAX_CHUNK_BYTES,
            "max_units": limits.max_units,
            "max_results": MAX_LIMIT,
            "default_embedding_model": limits.default_embedding_model,
            "max_forget_cubes": MAX_FORGET_CUBES,
        }

    async def start(self) -> None:
        """Begin background work."""
        await self.entitlements.load()
        self._tasks += [asyncio.create_task(self.uses.run()), asyncio.create_task(self.entitlements.run())]

    async def stop(self) -> None:
        """End background work; what was counted is written."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.uses.flush()
