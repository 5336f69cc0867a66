"""A publisher's repository in memory, and a reader that remembers what it saw: for attacks that play over time.

The attacker stands between the two: it keeps every state that the repository ever had and serves what it likes from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import Documents, stamp
from memporium_platform.bundle.freshness import Seen
from memporium_platform.bundle.roots import follow, make_root
from memporium_platform.bundle.verifier import BundleVerifier
from support.bundles import NOW, PUBLISHER, Publisher, Sealed, payload_digest, policy, secret, text_record


@dataclass
class State:
    """What the repository serves at one moment."""

    sealed: dict[int, Sealed]
    snapshot: bytes
    signed_time: bytes
    roots: list[bytes]
    grants: dict[int, bytes]


@dataclass
class Repository:
    """Publishes bundles of one line, revokes them, signs the time, and changes its keys."""

    now: datetime = NOW
    generation: int = 0
    sealed: dict[int, Sealed] = field(default_factory=dict)
    revoked: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=lambda: {"snapshot": 0, "time": 0})
    history: list[State] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with a first root."""
        self.roots.append(make_root(PUBLISHER, 1, [self.key], create_time=self.now))

    @property
    def key(self) -> dsse.SigningKey:
        """The key in use."""
        return dsse.SigningKey(Ed25519PrivateKey.from_private_bytes(secret(f"repository {self.generation}")))

    @property
    def publisher(self) -> Publisher:
        """Who signs."""
        return Publisher(signers=[self.key])

    def publish(self, text: str = "") -> int:
        """Seal the next bundle of the line; return its number."""
        number = len(self.sealed) + 1
        self.sealed[number] = self.publisher.seal([text_record("c", text or f"version {number}")], number=number)
        self.change()
        return number

    def revoke(self, number: int) -> None:
        """Take a bundle back."""
        self.revoked.append(payload_digest(self.sealed[number].manifest))
        self.change()

    def rotate(self) -> None:
        """Take a new key; sign again what was sealed."""
        before = self.key
        self.generation += 1
        root = make_root(PUBLISHER, self.generation + 1, [self.key], before=[before], create_time=self.now)
        self.roots.append(root)
        for number, sealed in self.sealed.items():
            again = dsse.countersigned(sealed.manifest, [self.key])
            self.sealed[number] = replace(sealed, manifest=again)
        self.change()

    def change(self) -> None:
        """Make a snapshot of what may be loaded."""
        self.numbers["snapshot"] += 1
        self.tick()

    def tick(self, seconds: float = 1) -> State:
        """Let time pass, and sign it."""
        self.now += timedelta(seconds=seconds)
        self.numbers["time"] += 1
        press = self.publisher
        alive = [one for one in self.sealed.values() if payload_digest(one.manifest) not in self.revoked]
        snapshot = press.snapshot(
            alive, number=self.numbers["snapshot"], epoch=len(self.revoked), revoked_manifests=self.revoked
        )
        signed = press.signed_time(
            snapshot,
            number=self.numbers["time"],
            create_time=stamp(self.now),
            expire_time=stamp(self.now + timedelta(minutes=10)),
        )
        window = {"start_time": stamp(self.now), "end_time": stamp(self.now + timedelta(days=9))}
        grants = {number: press.grant(sealed, **window) for number, sealed in self.sealed.items()}
        self.history.append(State(dict(self.sealed), snapshot, signed, list(self.roots), grants))
        return self.history[-1]


@dataclass
class Reader:
    """Loads bundles, and remembers under which keys it saw which numbers."""

    trust: dsse.TrustRoot
    root: int = 1
    seen: dict[str, Seen] = field(default_factory=dict)

    def load(self, state: State, number: int, *, now: datetime, newest: bool = True) -> str:
        """Verify a bundle of the line as it is served; return its content.

        Raises:
            PlatformError: BUNDLE_REJECTED.
        """
        trust, root = follow(self.trust, state.roots, publisher=PUBLISHER, number=self.root)
        sealed = state.sealed[number]
        documents = Documents(sealed.manifest, state.snapshot, state.signed_time, state.grants[number])
        seen = self.seen.get(trust.fingerprint, Seen())
        verifier = BundleVerifier(policy(trust=trust, now=now, seen=seen, newest=newest))
        list(verifier.documents(documents))
        content = verifier.content()
        text = b"".join(
            bytes(content.segment(index, sealed.objects[segment.sha256.hex()]))
            for index, segment in enumerate(verifier.manifest.segments)
        )
        content.finish()
        self.trust, self.root, self.seen[trust.fingerprint] = trust, root, verifier.seen
        return text.decode(errors="replace")


def reader_of(repository: Repository) -> Reader:
    """Return a reader that was given the repository's first key by another way."""
    first = dsse.SigningKey(Ed25519PrivateKey.from_private_bytes(secret("repository 0")))
    return Reader(dsse.TrustRoot.of([first.public]))
