"""The vault's word on blobs that are held here, over one stream for all vaults."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc

from memporium.vault.v1 import blob_check_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import acting_as, service_principal
from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from memporium_platform.rpc.channels import Channels

# What one message asks about.
_AT_ONCE = 1_000
# Where there is much to ask, it is asked less often: this share of the time goes into it.
_SHARE = 0.05


class GrpcBlobsInForce:
    """CheckBlobs over the vault's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._channels = channels

    async def watch(
        self, held: Callable[[], Mapping[str, Collection[str]]], *, every_s: float
    ) -> AsyncIterator[tuple[str, frozenset[str]]]:
        """Ask every so often about what is held; yield (vault, digests of blobs not in force any more)."""
        stream = None
        try:
            while True:
                began = time.monotonic()
                for vault, digests in held().items():
                    for some in _pieces(sorted(digests)):
                        if stream is None:
                            # As the service: no user asks.
                            with acting_as(service_principal("inference")):
                                stream = self._channels.stub(VaultServiceStub).CheckBlobs()
                        await stream.write(blob_check_pb2.CheckBlobsRequest(vault=vault, sha256=some))
                        answer = await stream.read()
                        if not isinstance(answer, blob_check_pb2.CheckBlobsResponse):
                            # The end of the stream: the vault stops.
                            return
                        if answer.gone_sha256:
                            yield vault, frozenset(answer.gone_sha256)
                await asyncio.sleep(max(every_s, (time.monotonic() - began) / _SHARE))
        except grpc.aio.AioRpcError as err:
            raise reason_of(err) from err
        finally:
            if stream is not None:
                stream.cancel()

    async def knows_training(self, vault: str, training: str) -> bool:
        """Return whether a vault finds the keys of a training, and so destroys them with its memories."""
        with acting_as(service_principal("inference")):
            stream = self._channels.stub(VaultServiceStub).CheckBlobs()
        try:
            await stream.write(blob_check_pb2.CheckBlobsRequest(vault=vault, training=training))
            answer = await stream.read()
        except grpc.aio.AioRpcError as err:
            raise reason_of(err) from err
        finally:
            stream.cancel()
        return isinstance(answer, blob_check_pb2.CheckBlobsResponse) and answer.training_known


def _pieces(digests: list[str]) -> list[list[str]]:
    return [digests[start : start + _AT_ONCE] for start in range(0, len(digests), _AT_ONCE)]
