"""Checks 1 to 8 of `docs/bundle-format.md`, section 7: the signed documents."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from google.protobuf.message import DecodeError, Message

from memporium.transfer.v1 import bundle_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor import Descriptor

MEDIA_TYPE = "application/vnd.memporium.mcb1.{}+protobuf"
CAPS = {
    "manifest": 16 << 20,
    "part": 16 << 20,
    "snapshot": 16 << 20,
    "grant": 16 << 10,
    "timestamp": 16 << 10,
    "root": 4 << 20,
}
_ED25519, _MLDSA65 = 32, 1952
_NUMBER_MAX = 1 << 53
_SKEW_S, _LIFE_S = 120, 3600
M = TypeVar("M", bound=Message)


class BundleRefusedError(Exception):
    """A check failed.

    Attributes:
        step: The check, by its name in the specification.
    """

    def __init__(self, step: str, message: str) -> None:
        """Name the check and what is wrong."""
        super().__init__(f"refused at {step}: {message}")
        self.step = step


def demand(condition: object, step: str, message: str) -> None:
    """Refuse at `step` unless `condition` is true.

    Raises:
        BundleRefusedError: It is not.
    """
    if not condition:
        raise BundleRefusedError(step, message)


@dataclass(frozen=True, slots=True)
class Key:
    """A trusted key: an Ed25519 half, and an ML-DSA-65 half or none."""

    ed25519: bytes
    mldsa65: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Key:
        """Return the key in 32 bytes, or in 32 + 1,952.

        Raises:
            ValueError: It is neither.
        """
        if len(raw) not in {_ED25519, _ED25519 + _MLDSA65}:
            raise ValueError("a key has 32 bytes, or 1,984 with its second half")
        return cls(raw[:_ED25519], raw[_ED25519:])

    def halves(self) -> dict[str, Ed25519PublicKey | MLDSA65PublicKey]:
        """Return the halves by their ids."""
        halves: dict[str, Ed25519PublicKey | MLDSA65PublicKey] = {
            _hex(self.ed25519): Ed25519PublicKey.from_public_bytes(self.ed25519)
        }
        if self.mldsa65:
            halves[_hex(self.mldsa65)] = MLDSA65PublicKey.from_public_bytes(self.mldsa65)
        return halves


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count, and how many are needed."""

    keys: Sequence[Key]
    threshold: int = 1


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256(data: bytes) -> bytes:
    """Return SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def message(kind: type[M], data: bytes, step: str) -> M:
    """Return the message in `data`: nothing unknown, nothing twice, nothing longer than it must be.

    Raises:
        BundleRefusedError: At `step`.
    """
    name = kind.DESCRIPTOR.name
    try:
        parsed = kind.FromString(data)
    except DecodeError:
        raise BundleRefusedError(step, f"not a {name}") from None
    parsed.DiscardUnknownFields()
    again = parsed.SerializeToString(deterministic=True)
    # In another order it is the same. Of the same size it need not be: some fields are longer when written again.
    known: Descriptor = kind.DESCRIPTOR  # type: ignore[assignment]  # the stubs know another one as well
    same = again == data or Counter(_leaves(known, data)) == Counter(_leaves(known, again))
    demand(same, step, f"the {name} holds unknown fields, or more bytes than it must")
    return parsed


def _leaves(kind: Descriptor, data: bytes, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield what a well-formed message consists of, as it stands there, and where; messages within it taken apart."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = _number(data, at)
        number, wire = tag >> 3, tag & 7
        field = kind.fields_by_number.get(number)
        if wire == 0:
            _, at = _number(data, at)
        elif wire == 2:  # noqa: PLR2004 - with a length
            length, at = _number(data, at)
            if field is not None and field.message_type is not None:
                yield path, data[begin:at]
                yield from _leaves(field.message_type, data[at : at + length], (*path, number))
                begin = at + length
            at += length
        else:
            # Of a group, which no message here knows, its marks are leaves.
            at += {1: 8, 5: 4}.get(wire, 0)
        if begin < at:
            yield path, data[begin:at]


def _number(data: bytes, at: int) -> tuple[int, int]:
    end = at
    while data[end] > 0x7F:  # noqa: PLR2004 - another byte follows
        end += 1
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data[at : end + 1])), end + 1


def envelopes(received: Mapping[str, bytes]) -> dict[str, pb.Envelope]:
    """SIZE_CAPS and ENVELOPE of all documents."""
    for name, data in received.items():
        demand(len(data) <= CAPS[name], "SIZE_CAPS", f"{name} is above its cap")
    parsed = {name: message(pb.Envelope, data, "ENVELOPE") for name, data in received.items()}
    for name, envelope in parsed.items():
        demand(envelope.payload and 1 <= len(envelope.signatures) <= 32, "ENVELOPE", f"{name} lacks parts")  # noqa: PLR2004
    return parsed


def signed(envelope: pb.Envelope, trust: Trust) -> None:
    """TRUST_ROOT of one document."""
    kind, body = envelope.payload_type.encode(), envelope.payload
    pae = b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(body), body])
    trusted = {key_id: half for key in trust.keys for key_id, half in key.halves().items()}
    good = set()
    for signature in envelope.signatures:
        if signature.keyid in trusted:
            try:
                trusted[signature.keyid].verify(signature.sig, pae)
            except InvalidSignature:
                raise BundleRefusedError("TRUST_ROOT", "a signature of a trusted key is wrong") from None
            good.add(signature.keyid)
    unique = {key.ed25519: key for key in trust.keys}.values()
    count = sum(key.halves().keys() <= good for key in unique)
    demand(count >= trust.threshold >= 1, "TRUST_ROOT", f"{count} of {trust.threshold} needed keys signed")


def payload(envelope: pb.Envelope, name: str, kind: type[M]) -> M:
    """PAYLOAD: type and bytes of one document."""
    demand(envelope.payload_type == MEDIA_TYPE.format(name), "PAYLOAD", f"not a {name}")
    return message(kind, envelope.payload, "PAYLOAD")


def follow_roots(trust: Trust, chain: Iterable[bytes], publisher: str) -> Trust:
    """Return the newest root to which `trust`, the first one, leads (section 9)."""
    number = 1
    for data in chain:
        envelope = envelopes({"root": data})["root"]
        root = payload(envelope, "root", pb.Root)
        if root.number <= number:
            if root.number == number:
                signed(envelope, trust)
            continue
        demand(root.number == number + 1, "TRUST_ROOT", "a root is missing")
        signed(envelope, trust)
        demand(root.format == "MCB1", "PAYLOAD", "another format")
        demand(root.publisher == publisher, "TRUST_ROOT", "a root of another publisher")
        try:
            keys = [Key.parse(key.ed25519 + key.mldsa65) for key in root.keys]
            [key.halves() for key in keys]
        except ValueError:
            raise BundleRefusedError("TRUST_ROOT", "a root with a malformed key") from None
        distinct = len({key.ed25519 for key in keys}) == len(keys) <= 16  # noqa: PLR2004 - cap of the specification
        demand(distinct and 1 <= root.threshold <= len(keys), "TRUST_ROOT", "a root that nobody can sign")
        trust, number = Trust(keys, root.threshold), root.number
        signed(envelope, trust)
    return trust


def time_of(stamp: object) -> datetime:
    """Return the time in a document."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)  # type: ignore[attr-defined,no-any-return]  # a Timestamp, whose stubs differ
    except (ValueError, OverflowError):
        raise BundleRefusedError("PAYLOAD", "a time that no calendar has") from None


def fresh(clock: pb.SignedTime, snapshot: bytes, manifest: pb.Manifest, now: datetime) -> None:
    """FRESHNESS."""
    demand(clock.format == "MCB1", "PAYLOAD", "another format")
    demand(clock.publisher == manifest.publisher, "FRESHNESS", "the signed time of another publisher")
    made, over = time_of(clock.create_time), time_of(clock.expire_time)
    demand(0 < (over - made).total_seconds() <= _LIFE_S, "FRESHNESS", "the signed time lives too long")
    demand((made - now).total_seconds() <= _SKEW_S, "FRESHNESS", "the signed time lies in the future")
    demand(now < over, "FRESHNESS", "the signed time is over")
    demand(0 < clock.number <= _NUMBER_MAX, "FRESHNESS", "its number is out of range")
    demand(clock.snapshot_sha256 == sha256(snapshot), "FRESHNESS", "it is over another snapshot")
    ended = manifest.HasField("expire_time") and now >= time_of(manifest.expire_time)
    demand(not ended, "FRESHNESS", "the bundle is over")


def in_snapshot(snapshot: pb.Snapshot, clock: pb.SignedTime, manifest: pb.Manifest, digest: bytes) -> None:
    """SNAPSHOT."""
    demand(snapshot.format == "MCB1", "PAYLOAD", "another format")
    same = (snapshot.publisher, snapshot.number) == (manifest.publisher, clock.snapshot_number)
    demand(same and 0 < snapshot.number <= _NUMBER_MAX, "SNAPSHOT", "another publisher's, or of another number")
    demand(digest not in snapshot.revoked_manifests, "SNAPSHOT", "the bundle is revoked")
    found = [entry for entry in snapshot.entries if entry.bundle == manifest.bundle]
    demand(len(found) == 1, "SNAPSHOT", "the bundle stands in it not once")
    entry = (found[0].manifest_sha256, found[0].line, found[0].number, found[0].terms_sha256)
    expected = (digest, manifest.line, manifest.number, manifest.terms_sha256)
    demand(entry == expected, "SNAPSHOT", "it lists another manifest")


def granted(
    terms: pb.GrantTerms, part: pb.Part | None, part_bytes: bytes, manifest: pb.Manifest, digest: bytes, now: datetime
) -> None:
    """GRANT, as far as it can be told without knowing the agreement."""
    demand(terms.format == "MCB1", "PAYLOAD", "another format")
    own = manifest.kind == pb.BUNDLE_KIND_DUMP or terms.recipient == manifest.publisher
    same = (terms.suite, terms.publisher, terms.manifest_sha256)
    demand(same == (manifest.suite, manifest.publisher, digest), "GRANT", "for another bundle")
    demand(terms.agreement or own, "GRANT", "it names no agreement")
    demand((time_of(terms.start_time) - now).total_seconds() <= _SKEW_S, "GRANT", "it does not hold yet")
    demand(now < time_of(terms.end_time), "GRANT", "it is over")
    if part is None:
        demand(not terms.part_sha256 and not manifest.part_cube_count, "GRANT", "a part is missing")
        return
    demand(terms.part_sha256 == sha256(part_bytes), "GRANT", "it names another part")
    demand(part.manifest_sha256 == digest, "GRANT", "the part is of another bundle")
    about = (part.publisher, part.suite, part.recipient, part.agreement)
    demand(about == (terms.publisher, terms.suite, terms.recipient, terms.agreement), "GRANT", "the part is another's")
    source = part.kind == pb.PART_KIND_SOURCE
    demand(source == (terms.recipient == manifest.publisher), "GRANT", "the part is of the wrong kind")
    demand(part.cube_count >= manifest.part_cube_count, "GRANT", "the part lacks cubes")
