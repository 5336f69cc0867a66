"""The memory of vaults for pipelines, by gRPC, with the rights of the call in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict, ParseError

from memporium.inference.v1 import generate_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.reader.v1 import recall_pb2, remember_pb2, staging_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import changes_pb2, cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import invalid
from memporium_services.scheduler.adapters import staged_changes
from memporium_services.scheduler.adapters.peer_errors import peer_errors
from memporium_services.scheduler.ports_pipelines import Committed, Drafted, Recalled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.cube.v1 import cube_pb2
    from memporium_platform.rpc.channels import Channels
    from memporium_services.scheduler.ports_pipelines import Dialogue, Written


class GrpcMemory:
    """`Memory` over the kernel's channels."""

    archived = staticmethod(staged_changes.archivals)
    tagged = staticmethod(staged_changes.taggings)
    merged = staticmethod(staged_changes.merging)
    forgotten = staticmethod(staged_changes.forgetting)

    def __init__(self, channels: Channels) -> None:
        """Call as the scheduler."""
        self._vault: Any = channels.stub(VaultServiceStub)
        self._reader: Any = channels.stub(ReaderServiceStub)
        self._inference: Any = channels.stub(InferenceServiceStub)

    async def remembered(self, vault: str, dialogue: Dialogue, parents: Sequence[str]) -> Drafted:
        """Return the changes that remember a dialogue."""
        header = remember_pb2.RememberHeader(
            parent=vault, session=dialogue.session, tags=dialogue.tags, persona=dialogue.persona
        )
        try:
            turns = [ParseDict(dict(one), remember_pb2.Turn()) for one in dialogue.turns]
        except ParseError as error:
            raise invalid("turns", "is no dialogue") from error
        request = staging_pb2.StageSessionRequest(parent=vault, header=header, turns=turns)
        licences = await self._licences(parents)
        with peer_errors():
            answer = await self._reader.StageSession(request)
        made_of = list(dict.fromkeys([*parents, *dialogue.read]))
        changes = staged_changes.derived(answer.changes, made_of, licences)
        return staged_changes.drafted(vault, changes, len(changes))

    async def gathered(self, vault: str, persona: str, staged: Sequence[bytes]) -> Drafted:
        """Return the changes that bring scenes and profiles up to date."""
        made = [changes_pb2.Change.FromString(one) for one in staged]
        request = staging_pb2.StageConsolidationRequest(
            parent=vault, persona=persona, staged=[one.create for one in made if one.HasField("create")]
        )
        with peer_errors():
            answer = await self._reader.StageConsolidation(request)
        return staged_changes.drafted(vault, answer.changes, answer.new_episodes)

    async def recalled(self, vault: str, asked: Mapping[str, Any]) -> Recalled:
        """Return what a question needs."""
        request = recall_pb2.RecallRequest(
            parent=vault,
            query=asked["query"],
            limit=int(asked.get("limit", 0)),
            budget_tokens=int(asked.get("budget_tokens", 0)),
            include_mounts=bool(asked.get("include_mounts", True)),
            filter=recall_pb2.RecallFilter(tags_all=asked.get("tags", ()), persona=asked.get("persona", "")),
        )
        with peer_errors():
            answer = await self._reader.Recall(request)
        own = [item.cube for item in answer.items if not item.mount]
        licensed = [item.cube for item in answer.items if item.agreement]
        read = [item.cube for item in answer.items]
        return Recalled(
            cubes=tuple(dict.fromkeys(own)),
            context=answer.context,
            count=len(answer.items),
            licensed=tuple(dict.fromkeys(licensed)),
            read=tuple(dict.fromkeys(read)),
        )

    async def told(
        self, prompt: str, cubes: Sequence[str], *, licensed: Sequence[str], model: str, max_tokens: int
    ) -> str:
        """Return a model's text with memories mounted, and licensed ones in the prompt."""
        # What stands in the prompt as text is used by the model as what is mounted is.
        await self._used(licensed, cubes_pb2.USE_ACTION_INFER_WITH)
        request = generate_pb2.GenerateRequest(
            model=model,
            messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content=prompt)],
            mounts=[generate_pb2.MemoryMount(cube=cube) for cube in cubes],
            max_tokens=max_tokens,
        )
        with peer_errors():
            pieces = [response.delta.text async for response in self._inference.Generate(request)]
        return "".join(pieces).strip()

    async def written(self, wanted: Written) -> Drafted:
        """Return the change that writes a memory."""
        licences = await self._licences(wanted.parents, own=wanted.vault)
        if not wanted.cube:
            return staged_changes.creation(wanted, licences)
        request = vault_service_pb2.GetCubeRequest(name=wanted.cube, view=cubes_pb2.CUBE_VIEW_FULL)
        with peer_errors():
            before = (await self._vault.GetCube(request)).cube
        return staged_changes.rewriting(wanted, before, licences)

    async def commit(self, vault: str, changes: Sequence[bytes], *, reason: str, request_id: str) -> Committed:
        """Make all changes, or none."""
        request = changes_pb2.ApplyChangesRequest(
            parent=vault,
            changes=staged_changes.together(vault, changes),
            reason=reason,
            request_id=request_id,
            # What was forgotten since steps read it is in none of their texts.
            require_parents=True,
        )
        with peer_errors():
            answer = await self._vault.ApplyChanges(request)
        return Committed(tuple(dict.fromkeys(one.cube for one in answer.results if one.cube)), answer.revision)

    async def _licences(self, names: Sequence[str], *, own: str = "") -> list[cube_pb2.LicenceReference]:
        """Return the licences that a text made from cubes is under; cubes of the run itself are not there yet."""
        there = [name for name in names if not name.startswith(f"{own}/cubes/run-")]
        found: dict[str, cube_pb2.LicenceReference] = {}
        for cube in await self._used(there, cubes_pb2.USE_ACTION_DERIVE_TEXT):
            for licence in cube.governance.licences:
                found.setdefault(licence.agreement, licence)
        return list(found.values())

    async def _used(self, names: Sequence[str], action: cubes_pb2.UseAction.ValueType) -> list[cube_pb2.Cube]:
        """Use cubes of any vaults for a purpose, each under its licence."""
        vaults: dict[str, list[str]] = {}
        for name in names:
            vaults.setdefault(name.rsplit("/cubes/", 1)[0], []).append(name)
        cubes: list[cube_pb2.Cube] = []
        for vault, some in vaults.items():
            request = vault_service_pb2.UseCubesRequest(
                parent=vault, names=some, action=action, view=cubes_pb2.CUBE_VIEW_BASIC
            )
            with peer_errors():
                cubes.extend((await self._vault.UseCubes(request)).cubes)
        return cubes
