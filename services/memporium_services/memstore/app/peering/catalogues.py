"""Catalogues of other platforms: asked for live, kept for a while for when the peer does not answer."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from memporium.memstore.v1 import peer_service_pb2 as pb
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.market import caller_org, refuse
from memporium_services.memstore.app.peering.inbox import PASSING
from memporium_services.memstore.app.peering.peering import verify
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.speech import SpeechError

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.domain.peering.speech import Said

_KEPT = 256


class Catalogues:
    """Asks peers for their catalogues, on behalf of the caller's organisation."""

    def __init__(self, peering: Peering) -> None:
        """Ask the peers in the market's database."""
        self._peering = peering
        self._kept: OrderedDict[bytes, tuple[float, pb.Catalogue]] = OrderedDict()

    async def ask(self, peer_id: str, request: pb.QueryCatalogueRequest, *, about: str) -> pb.Catalogue:
        """Return a peer's answer; one of some time ago where the peer does not answer now.

        Raises:
            PlatformError: UNAVAILABLE without such an answer; PERMISSION_DENIED where there is no such peer.
        """
        peer = await self._peering.market.store.read(lambda tx: tx.peering.peer(peer_id))
        if peer is None:
            refuse(about)
        request.organisation = caller_org()
        key = peer.id.encode() + b"\0" + request.SerializeToString(deterministic=True)
        try:
            found = self._read(peer, await self._peering.calls.catalogue(peer, request))
        except PlatformError as error:
            kept = self._kept.get(key)
            fresh = kept is not None and time.monotonic() < kept[0]
            if error.reason not in PASSING or kept is None or not fresh:
                raise
            return _copy(kept[1])
        self._kept[key] = (time.monotonic() + self._peering.settings.catalogue_s, found)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return _copy(found)

    def _read(self, peer: Peer, said: Said) -> pb.Catalogue:
        """Return what the peer's platform signed.

        Raises:
            PlatformError: INTEGRITY_FAILURE.
        """
        try:
            verify(said, peer.platform_key)
            speech.require_type(said, speech.CATALOGUE_TYPE)
            found = pb.Catalogue.FromString(said.payload)
        except (SpeechError, DecodeError) as error:
            text = f"the catalogue of peers/{peer.id}: {error}"
            raise PlatformError(Reason.INTEGRITY_FAILURE, text, metadata={"resource": f"peers/{peer.id}"}) from error
        now_us = to_us(self._peering.market.clock.now())
        too_old = now_us - found.time_us > speech.SKEW_US + int(self._peering.settings.catalogue_s * 1e6)
        if found.platform != peer.id or too_old:
            text = f"the catalogue of peers/{peer.id} is another's, or an old one"
            raise PlatformError(Reason.INTEGRITY_FAILURE, text, metadata={"resource": f"peers/{peer.id}"})
        return found


def _copy(found: pb.Catalogue) -> pb.Catalogue:
    copy = pb.Catalogue()
    copy.CopyFrom(found)
    return copy
