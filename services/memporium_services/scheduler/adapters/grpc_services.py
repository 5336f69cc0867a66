"""The other services, by gRPC."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2, parameter_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.memstore.v1 import agreement_calls_pb2, agreement_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.reader.v1 import scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.transfer.v1 import bundle_pb2, transfer_pb2, transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.adapters.grpc_delivery import deliver
from memporium_services.scheduler.adapters.peer_errors import peer_errors, reading
from memporium_services.scheduler.domain.conversions import saved_s
from memporium_services.scheduler.domain.strategies import Candidate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from memporium_platform.rpc.channels import Channels
    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.ports import Report

_PAGE = 1000
# How long one stream of changes lasts; the rights to it are looked up again after that.
_WATCH_S = 60.0


class GrpcServices:
    """`Services` over the kernel's channels."""

    def __init__(self, channels: Channels) -> None:
        """Call as the scheduler."""
        self._vault: Any = channels.stub(VaultServiceStub)
        self._inference: Any = channels.stub(InferenceServiceStub)
        self._memstore: Any = channels.stub(MemstoreServiceStub)
        self._transfer: Any = channels.stub(TransferServiceStub)
        self._reader: Any = channels.stub(ReaderServiceStub)

    async def sweep(self, request_id: str, report: Report) -> Mapping[str, str]:  # noqa: ARG002 - a sweep repeats itself
        """Sweep all vaults, a page of work a call."""
        counts = dict.fromkeys(("expired", "purged", "archived", "repaired"), 0)
        cursor, pages = "", 0
        with peer_errors():
            while True:
                request = vault_service_pb2.SweepVaultsRequest(cursor=cursor)
                response = await self._vault.SweepVaults(request)
                for key in counts:
                    counts[key] += getattr(response, key)
                cursor, pages = response.next_cursor, pages + 1
                if not cursor:
                    return {key: str(count) for key, count in counts.items()}
                await report(pages, 0, "sweeping")

    async def build_activation(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Build KV memory."""
        request = convert_pb2.BuildActivationRequest(
            parent=spec["vault"],
            cubes=spec["cubes"],
            model=spec.get("model", ""),
            tags=spec.get("tags", ()),
            reason=spec.get("reason", ""),
            request_id=request_id,
        )
        return await self._converted(self._inference.BuildActivation(request), report)

    async def train_parameter(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Train LoRA memory; an attempt after a crash goes on from the last checkpoint, by the request's id."""
        request = convert_pb2.TrainParameterRequest(
            parent=spec["vault"],
            cubes=spec["cubes"],
            model=spec.get("model", ""),
            title=spec.get("title", ""),
            tags=spec.get("tags", ()),
            reason=spec.get("reason", ""),
            options=ParseDict(spec.get("options", {}), convert_pb2.TrainingOptions()),
            expire_refused=spec.get("expire_refused", False),
            request_id=request_id,
        )
        return await self._converted(self._inference.TrainParameter(request), report)

    async def merge_parameters(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Merge LoRA memories; an attempt after a crash begins anew, or finds what was made."""
        request = ParseDict(_of_vault(spec), parameter_pb2.MergeParametersRequest(request_id=request_id))
        return await self._converted(self._inference.MergeParameters(request), report)

    async def probe_parameter(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Ask a LoRA memory back to text; an attempt after a crash begins anew, or finds what was made."""
        request = ParseDict(_of_vault(spec), parameter_pb2.ProbeParameterRequest(request_id=request_id))
        return await self._converted(self._inference.ProbeParameter(request), report)

    async def _converted(self, stream: Any, report: Report) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with reading(stream) as responses:
            async for response in responses:
                if response.HasField("progress"):
                    stage = convert_pb2.ConversionStage.Name(response.progress.stage)
                    message = stage.removeprefix("CONVERSION_STAGE_").lower()
                    await report(response.progress.completed, response.progress.total, message)
                else:
                    made = response.result.cube
                    found["cube"] = made.name
                    measured = made.payload.parameter.report
                    expired = made.governance.state == cube_pb2.CUBE_STATE_EXPIRED
                    # What an earlier attempt made comes without its report; its state says the same.
                    if expired or measured.admission == adapter_pb2.ADMISSION_REFUSED:
                        found["not_admitted"] = "; ".join(measured.reasons) or "beyond a limit"
        return found

    async def deliver_release(
        self, org: str, spec: Mapping[str, Any], request_id: str, report: Report
    ) -> Mapping[str, str]:
        """Pull a release into the pack vault, under the agreement named or the active one of the listing."""
        agreement = spec.get("agreement") or await self._active_agreement(org, spec["listing"])
        request = transfer_service_pb2.PullBundleRequest(
            parent=f"orgs/{org}",
            agreement=agreement,
            release=spec["release"],
            vault_id=spec.get("vault_id", ""),
            request_id=request_id,
        )
        result: dict[str, str] = {"agreement": agreement}
        with reading(self._transfer.PullBundle(request)) as responses:
            async for response in responses:
                if response.HasField("progress"):
                    await report(response.progress.segments, response.progress.total_segments, "pulling")
                elif response.HasField("result"):
                    result |= {"vault": response.result.vault, "version": response.result.version}
        return result

    async def _active_agreement(self, org: str, listing: str) -> str:
        request = agreement_calls_pb2.ListAgreementsRequest(
            parent=f"orgs/{org}", listing=listing, state=agreement_pb2.Agreement.STATE_ACTIVE, page_size=_PAGE
        )
        with peer_errors():
            response = await self._memstore.ListAgreements(request)
        names = [one.name for one in response.agreements if one.consumer == f"orgs/{org}"]
        if not names:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"no active agreement on {listing}",
                metadata={"resource": listing, "state": "no active agreement"},
            )
        return str(names[-1])

    async def dump_vault(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Back a vault up."""
        request = transfer_service_pb2.DumpVaultRequest(vault=spec["vault"], request_id=request_id)
        bundle = ""
        with reading(self._transfer.DumpVault(request)) as responses:
            async for response in responses:
                if response.HasField("progress"):
                    await report(response.progress.segments, response.progress.total_segments, "sealing")
                else:
                    bundle = response.bundle.name
        return {"bundle": bundle}

    async def load_bundle(
        self, org: str, spec: Mapping[str, Any], request_id: str, report: Report
    ) -> Mapping[str, str]:
        """Restore a backup: the one that is named, or the newest of a vault."""
        bundle = spec.get("bundle") or await self._newest_dump(org, spec.get("latest_of", ""))
        request = transfer_service_pb2.LoadBundleRequest(
            parent=f"orgs/{org}", bundle=bundle, vault_id=spec["vault_id"], request_id=request_id
        )
        result = {"bundle": bundle}
        with reading(self._transfer.LoadBundle(request)) as responses:
            async for response in responses:
                if response.HasField("progress"):
                    await report(response.progress.segments, response.progress.total_segments, "restoring")
                elif response.HasField("result"):
                    result |= {"vault": response.result.vault, "cubes": str(response.result.cube_count)}
        return result

    async def _newest_dump(self, org: str, vault: str) -> str:
        newest: Any = None
        token = ""
        with peer_errors():
            while True:
                request = transfer_service_pb2.ListBundlesRequest(
                    parent=f"orgs/{org}", line=vault, page_size=_PAGE, page_token=token
                )
                page = await self._transfer.ListBundles(request)
                for one in page.bundles:
                    sealed = one.kind == bundle_pb2.BUNDLE_KIND_DUMP and one.state == transfer_pb2.BUNDLE_STATE_SEALED
                    if sealed and (newest is None or one.number > newest.number):
                        newest = one
                token = page.next_page_token
                if not token:
                    break
        if newest is None:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{vault} has no dump",
                metadata={"resource": vault, "state": "no dump"},
            )
        return str(newest.name)

    async def deliver_cubes(self, job: Job, report: Report) -> Mapping[str, str]:
        """Copy memories into another vault."""
        return await deliver(self._vault, job, report)

    async def revision(self, vault: str) -> int:
        """Return a vault's revision."""
        with peer_errors():
            found = await self._vault.GetVault(vault_service_pb2.GetVaultRequest(name=vault))
        return int(found.vault.revision)

    async def tagged(self, vault: str, after: int, tags: Sequence[str]) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield, for some time, (complete through this revision, cubes with a label that were made or changed)."""
        request = vault_service_pb2.WatchCubesRequest(
            parent=vault, start_revision=after + 1, tags_any=tags, view=cubes_pb2.CUBE_VIEW_BASIC
        )
        try:
            with peer_errors():
                async for response in self._vault.WatchCubes(request, timeout=_WATCH_S):
                    names = [event.name for event in response.events if event.HasField("cube")]
                    yield response.revision, list(dict.fromkeys(names))
        except PlatformError as error:
            # The time is over: whoever watches begins anew, and is authorised anew.
            if error.reason is not Reason.DEADLINE_EXCEEDED:
                raise

    async def consolidate(self, spec: Mapping[str, Any], report: Report) -> Mapping[str, str]:
        """Bring the scenes and profiles of a vault up to date."""
        # Without an id of its own: what was done is not done again, and what was not is what a repeat is for.
        request = scenes_pb2.ConsolidateRequest(parent=spec["vault"], persona=spec.get("persona", ""))
        counts = dict.fromkeys(("scenes_created", "scenes_updated", "new_episodes"), 0)
        with peer_errors():
            while True:
                response = await self._reader.Consolidate(request)
                for name in counts:
                    counts[name] += getattr(response, name)
                done, left = counts["new_episodes"], response.remaining_episodes
                if not left or not response.new_episodes:
                    return {name: str(count) for name, count in counts.items()} | {"scenes": str(response.scenes)}
                await report(done, done + left, "gathering")

    async def candidates(self, vault: str, limit: int) -> tuple[list[Candidate], bool]:
        """Return the memories of a vault for placement, and whether there are more."""
        found: list[Candidate] = []
        token = ""
        with peer_errors():
            while len(found) < limit:
                request = vault_service_pb2.ListCubesRequest(
                    parent=vault, page_size=_PAGE, page_token=token, view=cubes_pb2.CUBE_VIEW_BASIC
                )
                response = await self._vault.ListCubes(request)
                found.extend(_candidate(cube) for cube in response.cubes)
                token = response.next_page_token
                if not token:
                    return found[:limit], False
        return found[:limit], True

    async def similarities(self, vault: str, query: str) -> Mapping[str, float]:
        """Return how near the memories of a vault are to a question, those that are near."""
        asked = search_pb2.UnitQuery(query=query, mode=search_pb2.SEARCH_MODE_SEMANTIC, scores_only=True)
        request = search_pb2.SearchUnitsRequest(parent=vault, queries=[asked], limit=_PAGE, include_mounts=False)
        cubes: list[str] = []
        found: dict[str, float] = {}
        with peer_errors():
            async for response in self._vault.SearchUnits(request):
                cubes += [cube.name for cube in response.cubes]
                for ranking in response.rankings:
                    for hit, score in zip(ranking.hits, ranking.scores, strict=True):
                        found[cubes[hit.cube]] = max(score, found.get(cubes[hit.cube], 0.0))
        return found

    async def move(self, cube: str, *, hot: bool, request_id: str, reason: str) -> bool:
        """Move a memory to a tier; False where its state does not allow it."""
        try:
            with peer_errors():
                if hot:
                    await self._vault.ActivateCube(
                        vault_service_pb2.ActivateCubeRequest(name=cube, reason=reason, request_id=request_id)
                    )
                else:
                    await self._vault.ArchiveCube(
                        vault_service_pb2.ArchiveCubeRequest(name=cube, reason=reason, request_id=request_id)
                    )
        except PlatformError as error:
            if error.reason in {Reason.ILLEGAL_TRANSITION, Reason.CUBE_FROZEN, Reason.LEGAL_HOLD}:
                return False
            raise
        return True


def _of_vault(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a job, whose fields are those of the call but for the name of the vault's."""
    return {"parent": spec["vault"]} | {name: value for name, value in spec.items() if name != "vault"}


def _candidate(cube: cube_pb2.Cube) -> Candidate:
    used = cube.behavioural.last_use_time if cube.behavioural.HasField("last_use_time") else None
    last_use = used or cube.descriptive.create_time
    return Candidate(
        cube=cube.name,
        size_bytes=cube.payload_bytes,
        hot=cube.behavioural.tier != cube_pb2.STORAGE_TIER_ARCHIVE,
        last_use=last_use.ToDatetime(tzinfo=UTC),
        heat=cube.behavioural.heat,
        priority=cube.governance.priority,
        labels=frozenset(cube.descriptive.tags),
        pinned=cube.governance.frozen or cube.governance.legal_hold,
        saved_s=saved_s(cube.behavioural.lineage.derivation, cube.payload_bytes),
        title=cube.descriptive.title,
    )
