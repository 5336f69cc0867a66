"""Marks the copies that recipients get: text slots, canaries, adapters and KV caches."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from memporium_platform.audit import record_in
from memporium_platform.call import current_call
from memporium_platform.tracing import activation, lora
from memporium_platform.tracing.canaries import allowed, canaries
from memporium_platform.tracing.code import Profile, profile_for
from memporium_platform.tracing.copies import CopyOfTexts
from memporium_platform.tracing.keys import TracingSecret
from memporium_platform.tracing.slots import slots_of
from memporium_platform.tracing.tensors import TensorFile
from memporium_services.transfer.app.marked_cubes import canary_cube, rewrite, texts_of
from memporium_services.transfer.domain.bundles import line_key
from memporium_services.transfer.domain.tracing import MarkedCopy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.ports.marking import Copy
    from memporium_services.transfer.ports.store import BundleRows
    from memporium_services.transfer.ports.tracing import TracingRows

# Slots after which only one cube in `_SHARE` is marked, and words after which one in `_LARGE_SHARE`: more add nothing
# to what is promised, and every recipient's copy has to be made and kept. Those are counted by their length alone.
_PLENTY, _SHARE = 16_384, 8
_LARGE, _LARGE_SHARE = 4_000_000, 64
_CHARACTERS_A_WORD = 6
# Of the texts without any slot, one in so many is in the recipients' parts, so that canaries have company there.
_COMPANY = 16


class SlotChoice:
    """Chooses the cubes of one release that recipients get marked, and counts what they carry."""

    def __init__(self) -> None:
        """Begin a release."""
        self._slots: set[int] = set()
        self.words = 0

    @property
    def slots(self) -> int:
        """Different slots."""
        return len(self._slots)

    def wants(self, cube: PortableCube) -> bool:
        """Return whether recipients get this cube in a part of their own."""
        payload = cube.cube.payload
        if payload.HasField("activation") or payload.HasField("parameter"):
            return True
        # The name alone decides, so that the next release decides the same.
        drawn = int.from_bytes(sha256(cube.cube.name.rsplit("/", 1)[-1].encode()).digest()[:4])
        if len(self._slots) >= _PLENTY:
            return self._is_one_of_many(cube, drawn)
        found: set[int] = set()
        words = 0
        for text in texts_of(cube):
            items, slots = slots_of(text)
            words += len(items)
            found.update(hash(slot.context) for slot in slots)
        if not words or not (found or drawn % _COMPANY == 0):
            return False
        self._slots |= found
        self.words += words
        return True

    def _is_one_of_many(self, cube: PortableCube, drawn: int) -> bool:
        if drawn % (_SHARE if self.words < _LARGE else _LARGE_SHARE):
            return False
        words = sum(map(len, texts_of(cube))) // _CHARACTERS_A_WORD
        self.words += words
        return bool(words)


class CopyMarks:
    """The marks of one copy."""

    def __init__(self, secret: TracingSecret, copy: Copy, profile: Profile, *, canary_count: int) -> None:
        """Make the marks of the agreement's recipient; every copy of a line under one agreement has the same."""
        self._key = secret.recipient(copy.agreement)
        self._texts = CopyOfTexts(secret, self._key, profile)
        # What the release promises, whatever this copy's words come to.
        self._canary_count = canary_count
        self._like: list[PortableCube] = []

    @property
    def commitment(self) -> bytes:
        """SHA-256 that commits to the marks' key."""
        return bytes.fromhex(self._key.commitment())

    def cubes(self, cubes: Sequence[PortableCube]) -> Sequence[PortableCube]:
        """Return cubes marked."""
        for portable in cubes:
            if not any(texts_of(portable)):
                continue
            if len(self._like) < _LIKE:
                self._like.append(portable)
            rewrite(portable, self._texts.mark)
        return cubes

    def file(self, cube: PortableCube, data: bytes) -> bytes:  # noqa: ARG002  -- the port's
        """Return a tensor file, marked."""
        opened = TensorFile(data)
        if lora.is_lora(opened):
            return lora.mark(data, self._key)
        return activation.mark(data, self._key) if activation.is_activation(opened) else data

    def more(self) -> Sequence[PortableCube]:
        """Return the canaries."""
        if not self._like:
            return ()
        return [
            canary_cube(self._like[number % len(self._like)], canary.text, self._key.stream(f"name {number}", 16))
            for number, canary in enumerate(canaries(self._key)[: self._canary_count])
        ]


# So many cubes of the pack serve as models of canaries.
_LIKE = 32


class CopyMarker:
    """Marks copies by the publishers' tracing secrets."""

    def __init__(
        self, database: Database, rows: TracingRows, bundles: BundleRows, *, keys: Keyring, clock: Clock
    ) -> None:
        """Wire the parts."""
        self._database, self._rows, self._bundles, self._keys, self._clock = database, rows, bundles, keys, clock

    def choice(self) -> SlotChoice:
        """Return what chooses the cubes of one release."""
        return SlotChoice()

    async def marks(self, copy: Copy) -> CopyMarks:
        """Return the marks of a copy, always the same; their commitment is in the audit log when this returns."""
        org, bundle_id = copy.bundle.removeprefix("orgs/").split("/bundles/")
        secret = await tracing_secret(self._keys, org, copy.line)
        call, now = current_call(), self._clock.now()
        commitment = secret.recipient(copy.agreement).commitment()

        def commit(conn: Connection) -> tuple[Profile, int]:
            bundle = self._bundles.get(conn, org, bundle_id)
            # Fixed by what was handed out first: copies of later releases must agree with earlier ones.
            profile = self._rows.profile(conn, org, copy.line) or profile_for(bundle.slots if bundle else 0)
            made = MarkedCopy(
                org=org,
                bundle_id=bundle_id,
                line=copy.line,
                agreement=copy.agreement,
                recipient=copy.recipient,
                profile=profile,
                commitment=commitment,
                create_time=now,
            )
            self._rows.add(conn, made)
            details = {
                "tracing_commitment": commitment,
                "manifest": copy.manifest_sha256,
                "agreement": copy.agreement,
                "recipient": copy.recipient,
            }
            record_in(conn, call, resource=copy.bundle, details=details, now=now)
            return Profile(profile), allowed(bundle.words if bundle else 0)

        found, canary_count = await self._database.write(commit)
        return CopyMarks(secret, copy, found, canary_count=canary_count)


async def tracing_secret(keys: Keyring, org: str, line: str) -> TracingSecret:
    """Return the publisher's tracing secret of a line."""
    return TracingSecret(await keys.vault_key(org, f"tracing-{line_key(line)}"))
