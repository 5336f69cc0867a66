"""The running reader service. It keeps nothing itself: all memory is the vault's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Registers the descriptor that the server reads the methods' access from.
from memporium.reader.v1 import reader_service_pb2 as _descriptor  # noqa: F401
from memporium.reader.v1.reader_service_pb2_grpc import add_ReaderServiceServicer_to_server
from memporium_services.reader.adapters.cells_grpc import GrpcCellStore
from memporium_services.reader.adapters.claims_grpc import GrpcClaims
from memporium_services.reader.adapters.judges import judge_of
from memporium_services.reader.adapters.meaning_grpc import GrpcMeaning
from memporium_services.reader.adapters.staging import StagingCells, StagingVault
from memporium_services.reader.adapters.tally import MetricsTally
from memporium_services.reader.adapters.vault_grpc import GrpcVault
from memporium_services.reader.adapters.writers import writer_of
from memporium_services.reader.app.claiming import Claiming
from memporium_services.reader.app.consolidating import Consolidating
from memporium_services.reader.app.contradicting import Contradicting
from memporium_services.reader.app.describing import Describing
from memporium_services.reader.app.gathering import Gathering
from memporium_services.reader.app.judging import Judging
from memporium_services.reader.app.narrating import Narrating
from memporium_services.reader.app.reading import Reading
from memporium_services.reader.app.recalling import Recalling
from memporium_services.reader.app.remembering import Remembering
from memporium_services.reader.app.rewriting import Rewriting
from memporium_services.reader.app.understanding import Understanding, UnderstandingVault
from memporium_services.reader.servicer import ReaderServicer
from memporium_services.reader.settings import ReaderSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.vault.v1.cubes_pb2 import NewCube
    from memporium_platform.kernel import Kernel
    from memporium_services.reader.ports_staging import Staged


async def build(kernel: Kernel) -> ReaderModule:
    """Build the service."""
    return ReaderModule(kernel, ReaderSettings())


class ReaderModule:
    """Serves memory formation, recollection and consolidation."""

    name = "reader"

    def __init__(self, kernel: Kernel, settings: ReaderSettings) -> None:
        """Wire the parts."""
        vault = GrpcVault(kernel.channels)
        tally = MetricsTally(kernel.registry)
        narrating = Narrating(writer_of(settings.narrator_model, kernel.channels), tally, settings)
        rewriting = Rewriting(writer_of(settings.rewriter_model, kernel.channels), tally, settings)
        judging = Judging(judge_of(settings.judge_model, kernel.channels), tally, settings)
        cells, claims = GrpcCellStore(kernel.channels), GrpcClaims(kernel.channels)
        contradicting = Contradicting(claims)
        understanding = Understanding(GrpcMeaning(kernel.channels))
        keeper = UnderstandingVault(vault, understanding)

        def stage_session() -> tuple[Remembering, Staged]:
            staging = StagingVault(vault)
            return Remembering(UnderstandingVault(staging, understanding), narrating, settings), staging

        def stage_cells(parent: str, staged: Sequence[NewCube]) -> tuple[Consolidating, Staged]:
            staging = StagingCells(cells, parent, staged)
            return Consolidating(staging, settings), staging

        self._servicer = ReaderServicer(
            Remembering(keeper, narrating, settings),
            Reading(keeper, settings),
            Recalling(vault, contradicting, settings, rewriting=rewriting, judging=judging, gathering=Gathering(cells)),
            consolidating=Consolidating(cells, settings),
            describing=Describing(cells),
            claiming=Claiming(claims, contradicting),
            clock=kernel.clock,
            stage_session=stage_session,
            stage_cells=stage_cells,
        )

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_ReaderServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing is held."""
