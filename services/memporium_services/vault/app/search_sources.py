"""The vaults of one search: the own one and its mounts, each under its licence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from memporium_platform import names
from memporium_platform.errors import PlatformError
from memporium_services.vault.app import content
from memporium_services.vault.app.licensing import RETRIEVE, Lease, Part, agreements_of, asked_of, reserve
from memporium_services.vault.app.retention import settings_of, weights_of
from memporium_services.vault.app.runtime import ended_error
from memporium_services.vault.app.search_results import Refusal
from memporium_services.vault.ports import UseAsked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_results import Hit
    from memporium_services.vault.domain.rows import EndedMount, MountRow, VaultRow
    from memporium_services.vault.ports import GrantedUse


@dataclass(frozen=True, slots=True)
class Source:
    """A vault that is searched, the use of it that is reserved, and its mount; "": the own vault."""

    vault: VaultRow
    cipher: VaultCipher
    lease: Lease
    mount: str = ""


class _Loaded(NamedTuple):
    """A vault, its mounts, and those whose packs were deleted."""

    own: VaultRow | None
    mounted: Sequence[tuple[MountRow, VaultRow]] = ()
    ended: Sequence[EndedMount] = ()


async def open_sources(
    rt: Runtime, call: Call, parent: str, *, include_mounts: bool
) -> tuple[list[Source], list[Refusal]]:
    """Return the vaults to search, the own one first, and the mounts that are refused.

    Raises:
        PlatformError: INVALID_FIELD, NOT_FOUND, LICENCE_* (of the own vault).
    """
    ids = names.VAULT.parse(parent, "parent")

    def load(conn: Connection) -> _Loaded:
        store = rt.store(conn)
        vault = store.vault(ids["org"], ids["vault"])
        if vault is None or not include_mounts:
            return _Loaded(vault)
        found = [(mount, store.vault_by_uid(mount.target_uid)) for mount in store.mounts(vault.uid)]
        mounted = [(mount, target) for mount, target in found if target is not None]
        return _Loaded(vault, mounted, store.ended_mounts(vault.org, vault.uid))

    own, mounted, ended = await rt.db.read_few(load)
    if own is None:
        raise await rt.absent(parent)
    sources: list[Source] = []
    refusals = [_ended(own, mount) for mount in ended]
    lease = await reserve(rt, call, _whole(own))
    try:
        sources.append(Source(own, await rt.cipher(own), lease))
        for mount, target in mounted:
            name = f"{own.name}/mounts/{mount.mount_id}"
            cipher = await rt.cipher(target)
            try:
                rt.authz.require(call, "vault.cubes.search", target.name)
                lease = await reserve(rt, call, _whole(target))
            except PlatformError as error:
                refusals.append(Refusal(name, target.name, target.agreement, error.reason.value, error.message))
                continue
            sources.append(Source(target, cipher, lease, name))
    except BaseException:
        await lease.release()
        await release_sources(source for source in sources if source.lease is not lease)
        raise
    return sources, refusals


def _ended(own: VaultRow, mount: EndedMount) -> Refusal:
    """Return the refusal of a mount whose pack was deleted at the end of its agreement."""
    error = ended_error(mount.pack)
    name = f"{own.name}/mounts/{mount.mount_id}"
    return Refusal(name, mount.pack.name, mount.pack.agreement, error.reason.value, error.message)


def _whole(vault: VaultRow) -> list[UseAsked]:
    """Return the use of a pack that is about to be searched; how much is found is told afterwards."""
    return [UseAsked(vault.agreement, RETRIEVE, units_follow=True)] if vault.agreement else []


def leg_weights(own: Source, asked: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """Return the weights that the request or the vault gives; None: fit them."""
    if asked is not None:
        return asked
    settings = settings_of(own.vault.settings)
    return weights_of(settings.leg_weights) if settings.HasField("leg_weights") else None


async def release_sources(sources: Iterable[Source]) -> None:
    """Give back what was reserved."""
    for source in sources:
        await source.lease.release()


async def settle_licences(
    rt: Runtime, call: Call, sources: Sequence[Source], hits: list[Hit], refusals: list[Refusal]
) -> tuple[list[Hit], list[GrantedUse]]:
    """Commit the uses of mounts that gave results, ask for single licensed cubes, and drop what is refused.

    What was made of a mounted pack counts with it, wherever it is kept, and whether or not the pack says anything.
    """
    granted: dict[str, GrantedUse] = {}
    asked_already = {source.vault.agreement for source in sources if source.vault.agreement}
    for source in sources:
        if not source.lease.held:
            continue
        agreement = source.vault.agreement
        given = [hit for hit in hits if _under(hit, source)]
        if not given:
            await source.lease.release()
            continue
        try:
            await source.lease.tell(call, asked_of(_parts(given, always=agreement), RETRIEVE))
        except PlatformError as error:
            if not source.mount:
                raise
            await source.lease.release()
            hits = [hit for hit in hits if not _under(hit, source)]
            refusals.append(Refusal(source.mount, source.vault.name, agreement, error.reason.value, error.message))
            continue
        await source.lease.commit()
        granted.update((use.agreement, use) for use in source.lease.uses)
    refused: set[str] = set()
    single = asked_of(_parts(hits), RETRIEVE)
    for agreement, one in sorted(single.items()):
        if agreement in asked_already:
            continue
        try:
            lease = await reserve(rt, call, [one])
        except PlatformError as error:
            refused.add(one.agreement)
            refusals.append(Refusal("", "", one.agreement, error.reason.value, error.message))
            continue
        await lease.commit()
        granted.update((use.agreement, use) for use in lease.uses)
    kept = [hit for hit in hits if not refused.intersection(agreements_of(hit.cube))]
    by_mount = {source.mount: source.vault.agreement for source in sources}
    return [_attributed(hit, by_mount[hit.mount], granted) for hit in kept], list(granted.values())


def _under(hit: Hit, source: Source) -> bool:
    """Return whether a hit is given out under the agreement of a pack that is searched."""
    return hit.mount == source.mount or source.vault.agreement in agreements_of(hit.cube)


def _parts(hits: Iterable[Hit], *, always: str = "") -> Iterator[tuple[set[str], Part]]:
    """Yield what hits show of each cube, with the agreements that it came under."""
    by_cube: dict[str, list[Hit]] = {}
    for hit in hits:
        by_cube.setdefault(hit.cube.name, []).append(hit)
    for shown in by_cube.values():
        first, size = shown[0], sum(hit.given_bytes for hit in shown)
        tokens = content.tokens_of(first.cube.payload, first.form, size)
        yield {*agreements_of(first.cube), always} - {""}, Part(first.form, size, tokens)


def _attributed(hit: Hit, agreement: str, granted: Mapping[str, GrantedUse]) -> Hit:
    agreement = agreement or next(iter(agreements_of(hit.cube)), "")
    if not agreement:
        return hit
    use = granted.get(agreement)
    own = next((one.attribution for one in hit.cube.governance.licences if one.agreement == agreement), "")
    return replace(hit, agreement=agreement, attribution=(use.attribution if use else "") or own)
