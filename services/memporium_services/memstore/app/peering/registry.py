"""The peers: registered and removed by this platform's operator."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, already_exists, invalid, not_found
from memporium_platform.names import check_id
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.peering.peering import peer_id_of, verify
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.peers import LONGEST_LEASE_S, Link, Peer
from memporium_services.memstore.domain.peering.speech import SpeechError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from memporium_services.memstore.app.market import Page
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.ports import Transaction

_KEY_BYTES = 32
_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class PeerState:
    """A peer, and how it stands with it."""

    peer: Peer
    link: Link
    waiting: int


@dataclass(frozen=True, slots=True)
class Greeted:
    """What a peer answered to a greeting."""

    problem: str = ""
    seconds: float = 0.0
    clock_ahead_s: float = 0.0


class Registry:
    """The operator's list."""

    def __init__(self, peering: Peering, check_certificates: Callable[[str], None]) -> None:
        """Keep peers whose certificates `check_certificates` can read."""
        self._peering, self._check_certificates = peering, check_certificates

    async def create(self, peer: Peer) -> PeerState:
        """Register a peer."""
        check_id(peer.id, "peer_id")
        if peer.id == self._peering.me:
            raise invalid("peer_id", "is this platform's own id")
        _check(peer)
        self._check_certificates(peer.certificates)

        def work(tx: Transaction, now: datetime) -> str:
            if tx.peering.peer(peer.id) is not None:
                raise already_exists(peer.name)
            tx.peering.put_peer(replace(peer, create_us=to_us(now)))
            details = {"platform_key": peer.platform_key, "address": peer.address}
            tx.audit(current_call(), peer.name, details, now)
            return peer.name

        made = await self._peering.market.mutate(work, _show)
        self._peering.peers_changed.fire()
        return made

    async def get(self, name: str) -> PeerState:
        """Return a peer."""
        peer_id_of(name)
        return await self._peering.market.store.read(lambda tx: _show(tx, name))

    async def list_all(self, *, size: int, token: str) -> Page[PeerState]:
        """Return the peers, by id."""
        limit, market = page_size(size), self._peering.market
        after = market.after("ListPeers", token)
        found = await market.store.read(
            lambda tx: [_show(tx, peer.name) for peer in tx.peering.peers(after=after, limit=limit + 1)]
        )
        return market.page("ListPeers", found, limit, lambda state: state.peer.id)

    async def delete(self, name: str) -> None:
        """End trade with a peer: what was licensed from it may be used no more."""
        peer = peer_id_of(name)

        def work(tx: Transaction, now: datetime) -> str:
            if not tx.peering.delete_peer(peer):
                raise not_found(name)
            tx.audit(current_call(), name, {}, now)
            return name

        await self._peering.market.mutate(work, lambda _tx, done: done)
        self._peering.calls.forget(peer)
        self._peering.peers_changed.fire()

    async def test(self, name: str) -> Greeted:
        """Greet a peer."""
        peer = await self._peering.peer(peer_id_of(name))
        if not peer.address:
            return Greeted("it has no address: it only calls here")
        nonce, began = os.urandom(_NONCE_BYTES), time.perf_counter()
        try:
            said = await self._peering.calls.greet(peer, nonce)
            verify(said, peer.platform_key)
            fields = speech.read("greeting", said, speech.GREETING_TYPE)
            if (fields.get("platform"), fields.get("nonce")) != (peer.id, nonce.hex()):
                return Greeted(f"it calls itself {str(fields.get('platform'))[:64]!r}")
            time_us = speech.number(fields, "time_us")
        except PlatformError as error:
            return Greeted(f"{error.reason.value}: {error.message}")
        except SpeechError as error:
            return Greeted(f"its greeting: {error}")
        seconds = time.perf_counter() - began
        ahead = (time_us - to_us(self._peering.market.clock.now())) / 1e6 + seconds / 2
        return Greeted("", seconds, ahead)


def _show(tx: Transaction, name: str) -> PeerState:
    peer = tx.peering.peer(name.removeprefix("peers/"))
    if peer is None:
        raise not_found(name)
    return PeerState(peer, tx.peering.link(peer.id), tx.peering.waiting(peer.id))


def _check(peer: Peer) -> None:
    host, _, port = peer.address.rpartition(":")
    if peer.address and not (host and port.isdigit()):
        raise invalid("peer.address", "must be host:port")
    try:
        raw = bytes.fromhex(peer.platform_key)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise invalid("peer.platform_key", "must be 64 hexadecimal digits")
    if not 0 < peer.lease_s <= LONGEST_LEASE_S:
        raise invalid("peer.lease", "must be more than nothing and at most 30 days")
    for org in peer.organisations:
        check_id(org, "peer.organisations")
