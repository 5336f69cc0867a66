"""The trade with other platforms as the service's methods see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_services.memstore.app.peering.accounts import Accounts
    from memporium_services.memstore.app.peering.catalogues import Catalogues
    from memporium_services.memstore.app.peering.goods import PeerGoods
    from memporium_services.memstore.app.peering.registry import Registry


@dataclass(frozen=True, slots=True)
class Identity:
    """What another platform's operator needs to register this one."""

    id: str
    key: str
    certificate: str
    address: str


@dataclass(frozen=True, slots=True)
class Trade:
    """Its parts.

    Attributes:
        me: Id of this platform.
        identity: Who this platform is.
        registry: The peers.
        accounts: What was exchanged.
        catalogues: Catalogues of peers.
        peer_goods: Bundles of peers.
    """

    me: str
    identity: Callable[[], Identity]
    registry: Registry
    accounts: Accounts
    catalogues: Catalogues
    peer_goods: PeerGoods

    def there(self, name: str, peer: str) -> str:
        """Return what a peer calls a resource of its own that this platform names."""
        return names.to_there(name, platform=self.me, peer=peer)
