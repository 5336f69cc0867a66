"""Builds the trade with other platforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.memstore.adapters.peering.calls import GrpcPeerCalls
from memporium_services.memstore.adapters.peering.certificates import check_certificates
from memporium_services.memstore.adapters.peering.own import GovernanceLogs, KeyringOrganisations, TransferBundles
from memporium_services.memstore.adapters.signers import KeySigner
from memporium_services.memstore.app.peering.accounts import Accounts
from memporium_services.memstore.app.peering.background import PeerBackground
from memporium_services.memstore.app.peering.catalogues import Catalogues
from memporium_services.memstore.app.peering.following import Following
from memporium_services.memstore.app.peering.goods import OwnGoods, PeerGoods
from memporium_services.memstore.app.peering.outbox import Outbox
from memporium_services.memstore.app.peering.peering import Peering
from memporium_services.memstore.app.peering.registry import Registry
from memporium_services.memstore.app.peering.replicas import Replicas
from memporium_services.memstore.app.peering.seating import Pseudonyms
from memporium_services.memstore.app.peering.stating import Stating

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.settings import PeerSettings

# Digits of the key in the id of a platform that was given none.
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class PeerParts:
    """The parts of the trade that the service wires."""

    peering: Peering
    calls: GrpcPeerCalls
    outbox: Outbox
    pseudonyms: Pseudonyms
    accounts: Accounts
    registry: Registry
    catalogues: Catalogues
    own_goods: OwnGoods
    peer_goods: PeerGoods
    background: PeerBackground


def build_parts(kernel: Kernel, market: Market, settings: PeerSettings) -> PeerParts:
    """Wire the parts; nothing runs before the background starts."""
    voice = KeySigner(kernel.keys.platform_signing_key())
    public_key = kernel.keys.platform_signing_key().public_key().public_bytes_raw().hex()
    calls = GrpcPeerCalls(settings, max_message_bytes=kernel.settings.max_message_bytes)
    peering = Peering(
        market=market,
        me=settings.platform_id or f"p-{voice.key_id[:_ID_DIGITS]}",
        voice=voice,
        public_key=public_key,
        calls=calls,
        organisations=KeyringOrganisations(kernel.keys),
        settings=settings,
    )
    replicas = Replicas(peering)
    pseudonyms = Pseudonyms(kernel.keys.derive("memstore seat holders"))
    outbox = Outbox(peering, replicas)
    stating = Stating(peering, outbox, pseudonyms)
    return PeerParts(
        peering=peering,
        calls=calls,
        outbox=outbox,
        pseudonyms=pseudonyms,
        accounts=Accounts(peering, GovernanceLogs(kernel.channels)),
        registry=Registry(peering, check_certificates),
        catalogues=Catalogues(peering),
        own_goods=OwnGoods(peering, TransferBundles(kernel.channels)),
        peer_goods=PeerGoods(peering),
        background=PeerBackground(peering, Following(peering, replicas), outbox, stating),
    )
