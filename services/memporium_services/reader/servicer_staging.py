"""The gRPC face of staging: what would be remembered or gathered, as changes."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.reader.v1 import remember_pb2, scenes_pb2, staging_pb2
from memporium_platform.errors import invalid
from memporium_services.reader import convert, convert_scenes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from memporium.vault.v1 import cubes_pb2
    from memporium_services.reader.app.consolidating import Consolidating
    from memporium_services.reader.app.remembering import Remembering
    from memporium_services.reader.ports_staging import Staged

# Text of one session: the answer must fit one message of 4 MiB, with each turn as episode, fact and source.
_MOST_CHARS = 1 << 20


class StagingMethods:
    """The methods of `memporium.reader.v1.ReaderService` that stage changes."""

    _stage_session: Callable[[], tuple[Remembering, Staged]]
    _stage_cells: Callable[[str, Sequence[cubes_pb2.NewCube]], tuple[Consolidating, Staged]]

    async def StageSession(
        self, request: staging_pb2.StageSessionRequest, context: Any
    ) -> staging_pb2.StageSessionResponse:
        if sum(len(turn.text) for turn in request.turns) > _MOST_CHARS:
            raise invalid("turns", f"at most {_MOST_CHARS} characters")
        remembering, staging = self._stage_session()
        messages = _messages(request)
        session = await convert.session_in(messages)
        done = await remembering.remember(session, convert.turns_in(messages))
        return staging_pb2.StageSessionResponse(changes=staging.changes, known_turns=done.known_turns)

    async def StageConsolidation(
        self, request: staging_pb2.StageConsolidationRequest, context: Any
    ) -> staging_pb2.StageConsolidationResponse:
        consolidating, staging = self._stage_cells(request.parent, request.staged)
        asked = scenes_pb2.ConsolidateRequest(parent=request.parent, persona=request.persona)
        done = await consolidating.consolidate(convert_scenes.order_in(asked))
        return staging_pb2.StageConsolidationResponse(
            changes=staging.changes, new_episodes=done.new_episodes, remaining_episodes=done.remaining
        )


async def _messages(request: staging_pb2.StageSessionRequest) -> AsyncIterator[remember_pb2.RememberRequest]:
    """Yield a session as `Remember` takes it."""
    header = remember_pb2.RememberHeader()
    header.CopyFrom(request.header)
    header.parent, header.request_id = request.parent, ""
    yield remember_pb2.RememberRequest(header=header)
    for turn in request.turns:
        yield remember_pb2.RememberRequest(turn=turn)
