"""Whether settings have the form that they need, and fit together: addresses, URLs, keys, certificates."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from memporium_platform.settings import SERVICES, PlatformSettings
from memporium_platform.storage.objects.s3_address import S3Address
from memporium_services.checkup_finding import Finding
from memporium_services.effective_settings import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_PLATFORM = frozenset(names_of(PlatformSettings).values())
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1"}
_MAX_PORT = 65_535
_KEY_HEX = 64


def wrong_forms(settings: PlatformSettings) -> Iterator[Finding]:
    """Yield what cannot work, by setting; files are read, nothing is connected to."""
    yield from _addresses(settings)
    yield from _urls(settings)
    keys = settings.master_key.get_secret_value()
    if keys and not all(_is_key(key) for key in keys.split(",")):
        yield _wrong("MASTER_KEY", f"must be {_KEY_HEX} hexadecimal digits", "openssl rand -hex 32 makes one")
    yield from _pair("TLS_CERTIFICATE", "TLS_PRIVATE_KEY", settings.tls_certificate, settings.tls_private_key)
    yield from _pair(
        "TLS_CLIENT_CERTIFICATE",
        "TLS_CLIENT_PRIVATE_KEY",
        settings.tls_client_certificate,
        settings.tls_client_private_key,
    )
    for name, path in (("TLS_CA", settings.tls_ca), ("TLS_CLIENT_CA", settings.tls_client_ca)):
        if path is not None:
            yield from _certificates(name, path)
    if settings.tls_client_ca is not None and settings.tls_certificate is None:
        yield _wrong("TLS_CLIENT_CA", "has no effect without a certificate", "set MEMPORIUM_TLS_CERTIFICATE too")


def _addresses(settings: PlatformSettings) -> Iterator[Finding]:
    host, _, _ = settings.listen.rpartition(":")
    if not _is_address(settings.listen):
        yield _wrong("LISTEN", "must be host:port", "for instance 127.0.0.1:7600")
    elif host not in _LOOPBACK and settings.tls_certificate is None and not settings.insecure_listen_without_tls:
        yield _wrong(
            "LISTEN",
            f"{settings.listen} is beyond loopback and there is no TLS",
            "set MEMPORIUM_TLS_CERTIFICATE and MEMPORIUM_TLS_PRIVATE_KEY, "
            "or MEMPORIUM_INSECURE_LISTEN_WITHOUT_TLS=true behind a mesh",
        )
    if settings.metrics_listen and not _is_address(settings.metrics_listen):
        yield _wrong("METRICS_LISTEN", "must be host:port", "for instance 127.0.0.1:9464")
    for service in SERVICES:
        address = settings.address_of(service)
        # gRPC's own names of targets, such as dns:///vault:7600, end in host:port too.
        if address and not _is_address(address.rpartition("/")[2]):
            yield _wrong(f"{service}_ADDRESS".upper(), "must be host:port", "for instance 10.0.0.5:7600")


def _urls(settings: PlatformSettings) -> Iterator[Finding]:
    database = settings.database_url.get_secret_value()
    if database and not database.startswith(("postgresql:", "postgresql+psycopg:", "postgres:")):
        advice = "write postgresql+psycopg://user:secret@host:5432/database, or unset it for SQLite"
        yield _wrong("DATABASE_URL", "is not the URL of a PostgreSQL database", advice)
    objects = settings.objects_url.get_secret_value()
    if objects:
        try:
            S3Address.parse(objects)
        except ValueError:
            advice = "write s3://key:secret@host:port/bucket?secure=false, or unset it for a folder"
            yield _wrong("OBJECTS_URL", "is not the URL of an S3 bucket", advice)
    index = settings.index_url.get_secret_value()
    if index and (not index.startswith("milvus://") or not index.removeprefix("milvus://").strip("/")):
        advice = "write milvus://host:19530 or milvus:///path.db, or unset it for the embedded index"
        yield _wrong("INDEX_URL", "is not the URL of a Milvus", advice)


def _pair(certificate: str, key: str, certificate_path: Path | None, key_path: Path | None) -> Iterator[Finding]:
    if certificate_path is None and key_path is None:
        return
    if certificate_path is None or key_path is None:
        missing, given = (certificate, key) if certificate_path is None else (key, certificate)
        yield _wrong(given, "is half of a pair", f"set MEMPORIUM_{missing} too")
        return
    before = [*_certificates(certificate, certificate_path), *_private_key(key, key_path)]
    yield from before
    if before:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_path, key_path)
    except (OSError, ssl.SSLError):
        yield _wrong(key, f"{key_path} is not the key of {certificate_path}", f"set the key of MEMPORIUM_{certificate}")


def _certificates(name: str, path: Path) -> Iterator[Finding]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        yield _wrong(name, f"{path}: {error.strerror}", "name a file that this user can read")
    except ValueError:
        yield _wrong(name, f"{path} holds no certificate", "name a PEM file of certificates")
    else:
        if found[0].not_valid_after_utc < datetime.now(UTC):
            yield _wrong(name, f"{path} expired {found[0].not_valid_after_utc:%Y-%m-%d}", "renew it")


def _private_key(name: str, path: Path) -> Iterator[Finding]:
    try:
        load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        yield _wrong(name, f"{path}: {error.strerror}", "name a file that this user can read")
    except (ValueError, TypeError):
        yield _wrong(name, f"{path} holds no unencrypted private key", "name a PEM file of the key")


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isdecimal() and int(port) <= _MAX_PORT


def _is_key(text: str) -> bool:
    with suppress(ValueError):
        return len(text) == _KEY_HEX and bool(bytes.fromhex(text))
    return False


def _wrong(name: str, detail: str, advice: str) -> Finding:
    return Finding(f"MEMPORIUM_{name}", found=False, detail=detail, advice=advice, required=True)
