"""Forgetting in all vaults of an organisation, one after the other.

Of each vault as much goes as may, in a transaction of its own with a receipt of its own. What is asked for, and which
vaults are seen to, is kept until all are: cut off, the same request goes on with it, and so does the sweep. A vault
whose transaction was done and not noted is asked again under the same request id, and tells its receipt once more.
"""

from __future__ import annotations

import json
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import ForgottenElsewhere
from memporium_platform import audit, idempotency, names
from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.vault.app.reach import FORGET
from memporium_services.vault.app.runtime import refuse_read_only
from memporium_services.vault.app.summaries import outcomes_of, summary_of
from memporium_services.vault.domain.errands import ErrandRow
from memporium_services.vault.domain.rows import LeavingRow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from sqlalchemy import Connection

    from memporium.vault.v1.cubes_pb2 import Receipt
    from memporium_services.vault.app.forget_asked import ForgetAsked
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.errands import ErrandVault
    from memporium_services.vault.domain.rows import VaultRow

# What this process may be busy with; what is older was left by one that ended.
IDLE_US = 60 * 1_000_000
# Errands that one sweep goes on with, and vaults of each.
_ERRANDS, _VAULTS = 5, 20
# What forbids a vault, or cubes of it, and not the whole errand.
_STAYS = {Reason.PERMISSION_DENIED, Reason.VAULT_READ_ONLY, Reason.CUBE_FROZEN, Reason.LEGAL_HOLD}

_Answer = api.ForgetEverywhereResponse


class Errands:
    """Forgets in all vaults."""

    def __init__(self, rt: Runtime, forgetting: Forgetting, read: Callable[[bytes], ForgetAsked]) -> None:
        """Work on these; `read` gives what the bytes of a request ask for."""
        self._rt, self._forgetting, self._read = rt, forgetting, read

    async def forget(self, call: Call, parent: str, request: bytes) -> AsyncIterator[_Answer]:
        """Forget, a vault a message, then the receipt of all; in a dry run, say what would go.

        Raises:
            PlatformError: INVALID_FIELD, REQUEST_ID_REUSED, and what cuts it off.
        """
        org = names.ORG.parse(parent, "parent")["org"]
        asked = self._asked(request)
        if asked.dry_run:
            async for answer in self._look(call, org, asked):
                yield answer
            return
        errand_id = await self._begin(call, org, request)
        async for answer in self._go(call, org, errand_id, asked):
            yield answer

    def _asked(self, request: bytes) -> ForgetAsked:
        asked = replace(self._read(request), lenient=True)
        chosen = asked.selection
        if asked.subject is None and (chosen is None or chosen.unconditional):
            raise invalid("subject", "give a subject, or a filter with one condition at least")
        if chosen is not None and chosen.cube_ids:
            raise invalid("filter.names", "are of one vault: forget them there")
        return asked

    async def _begin(self, call: Call, org: str, request: bytes) -> str:
        """Return the errand of this call: a new one, or the one that the same request began."""
        rt, errand_id = self._rt, self._rt.new_id()
        key = await rt.keys.vault_key(org, errand_id)
        row = ErrandRow(
            errand_id, org, sealed.seal(key, request, errand_id.encode()), _to_json(call), rt.now_us(), rt.now_us()
        )

        def run(conn: Connection) -> str:
            store = rt.store(conn)
            store.begin_errand(row)
            details = {"receipt": f"orgs/{org}/receipts/{errand_id}"}
            audit.record_in(conn, call, resource=f"orgs/{org}", details=details)
            return errand_id

        begun = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=str, recall=lambda _, kept: kept
            )
        )
        if begun != errand_id:
            await rt.keys.destroy_vault_key(org, errand_id)
        return begun

    async def _go(
        self, call: Call, org: str, errand_id: str, asked: ForgetAsked, *, most: int | None = None
    ) -> AsyncGenerator[_Answer, None]:
        """Go on with an errand; first tell what was done before."""
        rt, told = self._rt, set[str]()
        name = f"orgs/{org}/receipts/{errand_id}"
        while await rt.db.read(lambda conn: rt.store(conn).errand(errand_id)) is not None:
            if not await self._gather(org, errand_id):
                await self._end(call, org, errand_id)
                break
            vaults = await rt.db.read(lambda conn: rt.store(conn).errand_vaults(errand_id))
            for one in vaults:
                if one.vault_uid in told:
                    continue
                if not one.outcome and most is not None and (most := most - 1) < 0:
                    return
                answer = _Answer.FromString(one.outcome or await self._see_to(call, errand_id, one, asked))
                told.add(one.vault_uid)
                answer.receipt_name, answer.done_vaults, answer.vaults = name, len(told), len(vaults)
                yield answer
        receipt = await self._forgetting.receipt(name)
        await self._forgetting.finish([receipt])
        yield _Answer(receipt_name=name, receipt=receipt, done_vaults=len(told), vaults=len(told))

    async def _gather(self, org: str, errand_id: str) -> bool:
        """Let the errand go to vaults that came to be since; return whether there is any to be seen to."""
        rt, after = self._rt, ""
        while True:
            page = await rt.db.read(
                lambda conn, after=after: rt.store(conn).all_vaults(after_uid=after, limit=500, org=org)  # type: ignore[misc]
            )
            if not page:
                break
            await rt.db.write(lambda conn, page=page: rt.store(conn).add_errand_vaults(errand_id, page))  # type: ignore[misc]
            after = page[-1].uid
        vaults = await rt.db.read(lambda conn: rt.store(conn).errand_vaults(errand_id))
        return any(not one.outcome for one in vaults)

    async def _see_to(self, call: Call, errand_id: str, one: ErrandVault, asked: ForgetAsked) -> bytes:
        """Forget in one vault, and note what became of it."""
        rt = self._rt
        answer = _Answer(vault=one.vault)
        vault = await rt.db.read(lambda conn: rt.store(conn).vault_by_uid(one.vault_uid))
        try:
            if vault is not None:
                self._demand(call, vault)
                await self._forget(replace(call, request_id=f"{errand_id}.{one.vault_uid}"), vault, asked, answer)
        except PlatformError as error:
            if error.reason is not Reason.NOT_FOUND and error.reason not in _STAYS:
                raise
            # Not there: it was erased meanwhile.
            if error.reason in _STAYS:
                answer.outcomes.add(vault=one.vault, refusal=error.reason.name)
        body = answer.SerializeToString()
        await rt.db.write(lambda conn: rt.store(conn).note_errand(errand_id, one.vault_uid, body, rt.now_us()))
        return body

    def _demand(self, call: Call, vault: VaultRow) -> None:
        self._rt.authz.require(call, FORGET, vault.name)
        refuse_read_only(vault)

    async def _forget(self, call: Call, vault: VaultRow, asked: ForgetAsked, answer: _Answer) -> None:
        more, number = True, 0
        while more:
            step = replace(call, request_id=f"{call.request_id}.{number}")
            told = await self._forgetting.forget(step, vault.name, asked)
            answer.outcomes.extend(outcomes_of(told))
            answer.near_duplicates.extend(told.near_duplicates)
            number += 1
            # Of what stays there may be more than one call looks at: that is no reason to look again.
            more = told.more and told.receipt is not None and told.receipt.cubes > 0

    async def _end(self, call: Call, org: str, errand_id: str) -> None:
        """Write the receipt of all, and forget what was asked for."""
        rt = self._rt
        signing = await rt.keys.org_signing_key(org)
        now_us = rt.now_us()

        def end(conn: Connection) -> None:
            store = rt.store(conn)
            vaults = store.errand_vaults(errand_id)
            if any(not one.outcome for one in vaults) or not store.end_errand(errand_id):
                return
            receipt = summary_of(store, org, errand_id, vaults, call.principal.name, now_us, key=signing)
            store.insert_receipt(org, errand_id, receipt.SerializeToString(), now_us)
            store.note_leaving(LeavingRow(errand_id, org, errand_id, True, (), (), now_us))
            details = {"receipt": receipt.name, "cubes": str(receipt.cubes), "vaults": str(len(vaults))}
            audit.record_in(conn, call, resource=f"orgs/{org}", details=details)

        await rt.db.write(end)
        await self._forgetting.scrub()

    async def _look(self, call: Call, org: str, asked: ForgetAsked) -> AsyncIterator[_Answer]:
        """Say what would go."""
        rt, after, done = self._rt, "", 0
        seen: set[str] = set()
        while page := await rt.db.read(
            lambda conn, after=after: rt.store(conn).all_vaults(after_uid=after, limit=500, org=org)  # type: ignore[misc]
        ):
            for vault in page:
                answer = _Answer(vault=vault.name)
                try:
                    self._demand(call, vault)
                    told = await self._forgetting.forget(replace(call, request_id=""), vault.name, asked)
                except PlatformError as error:
                    if error.reason not in _STAYS:
                        raise
                    answer.outcomes.add(vault=vault.name, refusal=error.reason.name)
                else:
                    new = [one for one in told.candidates if one.name not in seen]
                    seen.update(one.name for one in new)
                    answer.candidates.extend(new)
                    own = [one for one in new if not one.refusal and one.name.startswith(f"{vault.name}/")]
                    if own:
                        answer.outcomes.append(ForgottenElsewhere(vault=vault.name, cubes=len(own)))
                    answer.outcomes.extend(told.elsewhere)
                done += 1
                answer.done_vaults = done
                yield answer
            after = page[-1].uid

    async def go_on_old(self) -> None:
        """Go on with errands that were cut off long ago."""
        rt = self._rt
        rows = await rt.db.read(lambda conn: rt.store(conn).idle_errands(rt.now_us() - IDLE_US))
        for row in rows[:_ERRANDS]:
            # One that cannot go on must not keep the others from it.
            with suppress(PlatformError):
                key = await rt.keys.vault_key(row.org, row.errand_id)
                asked = self._asked(sealed.open(key, row.asked_sealed, row.errand_id.encode()))
                async with aclosing(
                    self._go(_from_json(row.caller), row.org, row.errand_id, asked, most=_VAULTS)
                ) as going:
                    async for _ in going:
                        pass

    async def receipt(self, name: str) -> Receipt:
        """Return a receipt; of an errand that is not ended, how far it is, unsigned.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        try:
            return await self._forgetting.receipt(name)
        except PlatformError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            rt = self._rt
            ids = names.Pattern("orgs/{org}/receipts/{receipt}").parse(name)

            def so_far(conn: Connection) -> Receipt | None:
                store = rt.store(conn)
                row = store.errand(ids["receipt"])
                if row is None or row.org != ids["org"]:
                    return None
                who = _from_json(row.caller).principal.name
                vaults = store.errand_vaults(row.errand_id)
                return summary_of(store, row.org, row.errand_id, vaults, who, row.update_us)

            found = await rt.db.read(so_far)
            if found is None:
                raise
            return found


def _to_json(call: Call) -> str:
    who = call.principal
    kept = {
        "principal": [who.name, who.org, who.kind.value, who.credential, who.via],
        "method": call.method,
        "action": call.action,
        "resource": call.resource,
        "digest": call.request_digest.hex(),
        "purpose": call.purpose,
        "region": call.region,
        "root_id": call.root_id,
    }
    return json.dumps(kept)


def _from_json(kept: str) -> Call:
    told = json.loads(kept)
    name, org, kind, credential, via = told["principal"]
    return Call(
        principal=Principal(name, org, PrincipalKind(kind), credential, via),
        method=told["method"],
        action=told["action"],
        resource=told["resource"],
        request_digest=bytes.fromhex(told["digest"]),
        purpose=told["purpose"],
        region=told["region"],
        root_id=told["root_id"],
    )
