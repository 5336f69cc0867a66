"""The gRPC face of the reader: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceServicer
from memporium_services.reader import convert
from memporium_services.reader.servicer_calls import CallMethods
from memporium_services.reader.servicer_claims import ClaimMethods
from memporium_services.reader.servicer_scenes import SceneMethods
from memporium_services.reader.servicer_staging import StagingMethods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from memporium.reader.v1 import recall_pb2, remember_pb2
    from memporium.vault.v1 import cubes_pb2
    from memporium_platform.clock import Clock
    from memporium_services.reader.app.claiming import Claiming
    from memporium_services.reader.app.consolidating import Consolidating
    from memporium_services.reader.app.describing import Describing
    from memporium_services.reader.app.reading import Reading
    from memporium_services.reader.app.recalling import Recalling
    from memporium_services.reader.app.remembering import Remembering
    from memporium_services.reader.ports_staging import Staged


class ReaderServicer(CallMethods, ClaimMethods, SceneMethods, StagingMethods, ReaderServiceServicer):
    """Serves `memporium.reader.v1.ReaderService`."""

    def __init__(
        self,
        remembering: Remembering,
        reading: Reading,
        recalling: Recalling,
        *,
        consolidating: Consolidating,
        describing: Describing,
        claiming: Claiming,
        clock: Clock,
        stage_session: Callable[[], tuple[Remembering, Staged]],
        stage_cells: Callable[[str, Sequence[cubes_pb2.NewCube]], tuple[Consolidating, Staged]],
    ) -> None:
        """Serve formation, recollection and consolidation."""
        self._remembering, self._reading, self._recalling = remembering, reading, recalling
        self._consolidating, self._describing, self._claiming = consolidating, describing, claiming
        self._clock = clock
        self._stage_session, self._stage_cells = stage_session, stage_cells

    async def Remember(
        self,
        requests: AsyncIterator[remember_pb2.RememberRequest],
        context: Any,
    ) -> remember_pb2.RememberResponse:
        session = await convert.session_in(requests)
        return convert.remembered_out(await self._remembering.remember(session, convert.turns_in(requests)))

    async def RememberDocuments(
        self,
        requests: AsyncIterator[remember_pb2.RememberDocumentsRequest],
        context: Any,
    ) -> remember_pb2.RememberDocumentsResponse:
        parent, labels, request_id = await convert.documents_header_in(requests)
        pieces = convert.pieces_in(requests)
        return convert.read_out(await self._reading.remember(parent, labels, pieces, request_id=request_id))

    async def Recall(self, request: recall_pb2.RecallRequest, context: Any) -> recall_pb2.RecallResponse:
        done = await self._recalling.recall(convert.asked_in(request, self._clock.now()))
        return convert.recalled_out(done, surroundings=request.include_surroundings)
