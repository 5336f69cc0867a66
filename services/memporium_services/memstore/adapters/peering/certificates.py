"""Certificates of platforms: which peer is it that shows this one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from memporium_platform.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_services.memstore.domain.peering.peers import Peer


def check_certificates(pem: str) -> None:
    """Demand that a text holds certificates.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise invalid("peer.certificates", "must be one or more PEM certificates") from error


def peer_showing(pem: bytes, peers: Iterable[Peer]) -> Peer | None:
    """Return the peer whose certificate this is, or None.

    It is a peer's if it is one of those that were registered for it, or was issued by one of them and bears the
    peer's id. TLS has verified already that it chains to some peer's certificate and is in time.
    """
    try:
        shown = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    issued = []
    for peer in peers:
        trusted = x509.load_pem_x509_certificates(peer.certificates.encode())
        if any(_der(shown) == _der(each) for each in trusted):
            return peer
        if peer.id in _names(shown) and any(_issued_by(shown, each) for each in trusted):
            issued.append(peer)
    return issued[0] if len(issued) == 1 else None


def name_shown(peer: Peer) -> str:
    """Return the peer's id where one of its certificates bears it; "" where the address's host must be its name."""
    trusted = x509.load_pem_x509_certificates(peer.certificates.encode())
    return peer.id if any(peer.id in _names(each) for each in trusted) else ""


def _issued_by(shown: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        shown.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _names(shown: x509.Certificate) -> set[str]:
    found = {str(each.value) for each in shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return found
    return found | set(names.get_values_for_type(x509.DNSName))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
