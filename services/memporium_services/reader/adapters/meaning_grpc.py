"""Embeds clauses by the inference service, for vaults whose own embeddings tell meaning, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from memporium.inference.v1.embed_pb2 import EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1.vault_service_pb2 import GetVaultRequest
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_platform.rpc.channels import Channels

# Of short clauses; well below what one Embed takes.
_AT_ONCE = 128
_HASHING = "hashing-"
# Vaults whose model is remembered; it never changes.
_MOST_VAULTS = 4_096


class GrpcMeaning:
    """`Embedder` over the kernel's channels, on behalf of the caller."""

    def __init__(self, channels: Channels) -> None:
        """Call as the reader."""
        self._inference: Any = channels.stub(InferenceServiceStub)
        self._vaults: Any = channels.stub(VaultServiceStub)
        self._models: dict[str, str] = {}

    async def tells_meaning(self, parent: str) -> bool:
        """Say whether a vault's own embeddings tell meaning: one that hashes words does without models altogether."""
        if parent not in self._models:
            try:
                vault = (await self._vaults.GetVault(GetVaultRequest(name=parent))).vault
            except grpc.aio.AioRpcError as error:
                raise reason_of(error) from error
            if len(self._models) >= _MOST_VAULTS:
                self._models.clear()
            self._models[parent] = vault.embedding_model
        return not self._models[parent].startswith(_HASHING)

    async def embed(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) float32, rows of unit length."""
        rows: list[Sequence[float]] = []
        for start in range(0, len(texts), _AT_ONCE):
            # Clauses against prototypes, which are clauses, too: neither asks for the other, so all are as memory.
            request = EmbedRequest(model=model, texts=texts[start : start + _AT_ONCE])
            try:
                answer = await self._inference.Embed(request)
            except grpc.aio.AioRpcError as error:
                raise reason_of(error) from error
            rows += [embedding.values for embedding in answer.embeddings]
        return np.array(rows, np.float32)
