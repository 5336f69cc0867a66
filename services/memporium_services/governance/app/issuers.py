"""Issuers of tokens that organisations trust."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.authz.jwt import ALGORITHMS, parse_key_set
from memporium_platform.errors import already_exists, invalid, not_found
from memporium_platform.names import ISSUER, ORG, check_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.app.changes import Changed, Changes, active

if TYPE_CHECKING:
    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_services.governance.domain.records import Issuer
    from memporium_services.governance.ports import Directory, Rows

MAX_JWKS_BYTES = 64 << 10
MAX_CLAIM_CHARS = 512


class Issuers:
    """What can be done with issuers."""

    def __init__(self, directory: Directory, changes: Changes, clock: Clock) -> None:
        """Keep what it works with."""
        self._directory = directory
        self._changes = changes
        self._clock = clock

    async def create(self, call: Call, parent: str, issuer_id: str, draft: Issuer) -> Changed[Issuer]:
        """Trust an issuer; of `draft` only what the caller may set counts.

        Raises:
            PlatformError: INVALID_FIELD; ALREADY_EXISTS, where the id or the `iss` claim is taken.
        """
        org = ORG.parse(parent, "parent")["org"]
        check_id(issuer_id, "issuer_id")
        _check(draft)
        claim = draft.principal_claim or "sub"
        issuer = replace(draft, org=org, id=issuer_id, principal_claim=claim, create_us=to_us(self._clock.now()))

        def work(rows: Rows) -> Changed[Issuer]:
            active(rows, org)
            if rows.issuer(org, issuer_id) is not None:
                raise already_exists(issuer.name)
            if rows.issuer_by_claim(issuer.issuer) is not None:
                raise already_exists(f"the issuer {issuer.issuer}")
            return Changed(issuer, rows.put(issuer))

        return await self._changes.run(call, work, lambda rows, _: rows.issuer(org, issuer_id))

    async def page(self, parent: str, *, after: str, limit: int) -> list[Issuer]:
        """Return the issuers of an organisation by id."""
        org = ORG.parse(parent, "parent")["org"]
        return await self._directory.read(lambda rows: rows.issuers(org, after, limit))

    async def delete(self, call: Call, name: str) -> int:
        """Trust an issuer no more; return the epoch.

        Raises:
            PlatformError: NOT_FOUND.
        """
        ids = ISSUER.parse(name)

        def work(rows: Rows) -> int:
            found = rows.issuer(ids["org"], ids["issuer"])
            if found is None:
                raise not_found(name)
            return rows.remove(found)

        return await self._changes.run_removal(call, work)


def _check(draft: Issuer) -> None:
    for field, text in (("issuer", draft.issuer), ("audience", draft.audience)):
        if not 1 <= len(text) <= MAX_CLAIM_CHARS:
            raise invalid(f"issuer.{field}", f"must have 1 to {MAX_CLAIM_CHARS} characters")
    if not draft.algorithms or not set(draft.algorithms) <= ALGORITHMS:
        raise invalid("issuer.algorithms", f"must be one or more of {', '.join(sorted(ALGORITHMS))}")
    if len(draft.jwks.encode()) > MAX_JWKS_BYTES:
        raise invalid("issuer.jwks", f"must have at most {MAX_JWKS_BYTES} bytes")
    try:
        parse_key_set(draft.jwks)
    except ValueError as error:
        raise invalid("issuer.jwks", str(error)) from error
