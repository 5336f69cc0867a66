"""What the parts of the trade with other platforms share: who this platform is, who others are, whose keys count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.signals import Signal
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import OrgKeys
from memporium_services.memstore.domain.peering.speech import Said, SpeechError
from memporium_services.memstore.domain.statement import pre_authentication_encoding

if TYPE_CHECKING:
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports import Signer, Transaction
    from memporium_services.memstore.ports.peering import OwnOrganisations, PeerCalls
    from memporium_services.memstore.settings import PeerSettings


# Bytes of an Ed25519 or X25519 key; of ML-KEM-768 and X25519.
_KEY, _HYBRID_KEY = 32, 1216


def say(signer: Signer, payload_type: str, payload: bytes) -> Said:
    """Return signed bytes."""
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    return Said(payload_type, payload, signer.key_id, signature)


def signed_by(public_key: str, message: bytes, signature: bytes) -> bool:
    """Return whether a key, hexadecimal, signed a message."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(said: Said, public_key: str) -> None:
    """Demand that a key signed what was said.

    Raises:
        SpeechError: It did not.
    """
    message = pre_authentication_encoding(said.payload_type, said.payload)
    known = said.key_id == speech.key_id_of(bytes.fromhex(public_key))
    if not known or not signed_by(public_key, message, said.signature):
        raise SpeechError("the signature is not that of the key that counts")


@dataclass(frozen=True, slots=True)
class Peering:
    """The shared parts.

    Attributes:
        market: The marketplace.
        me: Id of this platform.
        voice: Signs for this platform.
        public_key: Key of that signature, hexadecimal.
        calls: Calls to peers.
        organisations: Keys of this platform's organisations.
        settings: The settings.
        to_send: Fires after a message was kept.
        peers_changed: Fires after a peer was registered or removed.
        statements: Statements about this platform's organisations, made once a process.
    """

    market: Market
    me: str
    voice: Signer
    public_key: str
    calls: PeerCalls
    organisations: OwnOrganisations
    settings: PeerSettings
    to_send: Signal = field(default_factory=Signal)
    peers_changed: Signal = field(default_factory=Signal)
    statements: dict[str, Said] = field(default_factory=dict)

    async def peer(self, peer: str) -> Peer:
        """Return a peer.

        Raises:
            PlatformError: NOT_FOUND.
        """
        found = await self.market.store.read(lambda tx: tx.peering.peer(peer))
        if found is None:
            raise not_found(f"peers/{peer}")
        return found

    async def statement(self, org: str) -> Said:
        """Return what this platform certifies of one of its organisations."""
        keys = await self.organisations.keys(org)
        known = self.statements.get(f"{org} {keys.signing_key} {keys.hpke_key} {keys.hybrid_key}")
        if known is not None:
            return known
        payload = speech.written(
            "organisation",
            platform=self.me,
            organisation=f"orgs/{org}",
            signing_key=keys.signing_key,
            hpke_key=keys.hpke_key,
            hybrid_key=keys.hybrid_key,
            issue_us=to_us(self.market.clock.now()),
        )
        made = self.statements[f"{org} {keys.signing_key} {keys.hpke_key} {keys.hybrid_key}"] = say(
            self.voice, speech.STATEMENT_TYPE, payload
        )
        return made

    async def learn(self, peer: Peer, statement: Said) -> OrgKeys:
        """Keep what a peer certifies of one of its organisations; return the keys.

        Raises:
            PlatformError: PERMISSION_DENIED, where it is not the peer's word or the organisation may not trade here.
        """
        try:
            keys = self._certified(peer, statement)
        except SpeechError as error:
            raise PlatformError(Reason.PERMISSION_DENIED, f"the statement about the organisation: {error}") from error

        def keep(tx: Transaction) -> OrgKeys:
            newest = tx.peering.keys(peer.id, keys.org)
            if newest is not None and newest.hybrid_key and not keys.hybrid_key:
                text = "the organisation had a hybrid key, and nothing weaker takes its place"
                raise PlatformError(Reason.PERMISSION_DENIED, text)
            if newest is not None and newest.key_id != keys.key_id and newest.issue_us >= keys.issue_us:
                raise PlatformError(Reason.PERMISSION_DENIED, "the organisation's keys were replaced by newer ones")
            if newest is None or newest.issue_us < keys.issue_us:
                tx.peering.put_keys(keys)
            return keys

        known = await self.market.store.read(lambda tx: tx.peering.keys(peer.id, keys.org))
        return keys if known == keys else await self.market.store.write(keep)

    def _certified(self, peer: Peer, statement: Said) -> OrgKeys:
        verify(statement, peer.platform_key)
        fields = speech.read("organisation", statement, speech.STATEMENT_TYPE)
        if speech.text(fields, "platform") != peer.id:
            raise SpeechError("it is of another platform")
        org = names.org_in(speech.text(fields, "organisation"))
        if not org or names.is_foreign(org):
            raise SpeechError("it is not about an organisation of the peer")
        if not peer.admits(org):
            raise SpeechError("the organisation may not trade here")
        issue_us = speech.number(fields, "issue_us")
        if issue_us > to_us(self.market.clock.now()) + speech.SKEW_US:
            raise SpeechError("it was made in the future: the clocks differ by more than five minutes")
        keys = [speech.text(fields, key) for key in ("signing_key", "hpke_key")]
        raw = [_key_bytes(key) for key in keys]
        hybrid = speech.text(fields, "hybrid_key", optional=True)
        if hybrid:
            _key_bytes(hybrid, _HYBRID_KEY)
        return OrgKeys(peer.id, org, issue_us, keys[0], keys[1], speech.key_id_of(raw[0]), hybrid)

    def here(self, name: str, peer: str) -> str:
        """Return what this platform calls a resource of a peer."""
        return names.to_here(name, platform=self.me, peer=peer)

    def there(self, name: str, peer: str) -> str:
        """Return what a peer calls a resource of its own that this platform names."""
        return names.to_there(name, platform=self.me, peer=peer)


def peer_id_of(name: str, field_: str = "name") -> str:
    """Return the id in `peers/{peer}`.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    head, _, peer = name.partition("/")
    if head != "peers" or not peer or "/" in peer:
        raise invalid(field_, "must have the form peers/{peer}")
    return peer


def _key_bytes(key: str, size: int = _KEY) -> bytes:
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise SpeechError("a key is malformed")
    return raw
