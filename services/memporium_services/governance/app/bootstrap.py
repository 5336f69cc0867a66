"""What the first start makes: the platform's own organisation, its operator, and the operator's key."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from memporium_platform.authz.roles import OPERATOR
from memporium_platform.call import PrincipalKind
from memporium_platform.names import new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.app.api_secrets import NewSecret, secret_from
from memporium_services.governance.domain.records import PLATFORM, ApiKey, Binding, Organisation, Principal

if TYPE_CHECKING:
    from memporium_platform.clock import Clock
    from memporium_services.governance.ports import Bootstrap, Rows

OPERATOR_NAME = Principal.name_of(PLATFORM, "operator")
# Ids of what is made once.
_KEY_ID = "operator"
_DELIVERED = "operator_key"


async def bootstrap(store: Bootstrap, clock: Clock, *, secret: bytes) -> str:
    """Make the operator where there is none; return the key until it is known to be delivered, then "".

    Args:
        store: Runs it in one transaction.
        clock: The time.
        secret: 32 bytes of the platform's own, from which the key is made: a start that ends between the commit and
            the writing of the key's file finds the same key again.
    """
    now = clock.now()
    key = _operator_secret(secret)

    def make(rows: Rows) -> bool:
        if rows.number(_DELIVERED):
            return False
        if rows.organisation(PLATFORM) is None:
            now_us = to_us(now)
            rows.put(Organisation(PLATFORM, "The platform", now_us))
            rows.put(Principal(OPERATOR_NAME, PrincipalKind.OPERATOR, "Operator", now_us))
            rows.put(Binding(PLATFORM, new_id(now), OPERATOR_NAME, OPERATOR, now_us))
            rows.put(ApiKey(_KEY_ID, OPERATOR_NAME, "first key", key.sha256, now_us))
        return True

    return key.text if await store.write(make) else ""


async def delivered(store: Bootstrap) -> None:
    """Note that the operator's key has been written to its file, so that it is shown no more."""

    def note(rows: Rows) -> None:
        if not rows.number(_DELIVERED):
            rows.set_number(_DELIVERED, 1)

    await store.write(note)


def _operator_secret(secret: bytes) -> NewSecret:
    return secret_from(_KEY_ID, base64.urlsafe_b64encode(hashlib.sha256(secret).digest()).rstrip(b"=").decode())
