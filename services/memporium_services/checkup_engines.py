"""Whether the engines and services that the settings name can be reached, by one short try each."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from memporium_platform.settings import SERVICES
from memporium_services.checkup_finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium_platform.settings import PlatformSettings

_CONNECT_S = 3
_MILVUS_PORT = 19_530


def engines(settings: PlatformSettings) -> Iterator[Finding]:
    """Yield what there is of PostgreSQL, S3 and Milvus, and of services in other processes."""
    database = settings.database_url.get_secret_value()
    yield _database(database) if database else _off("relational store", "SQLite", "MEMPORIUM_DATABASE_URL")
    objects = settings.objects_url.get_secret_value()
    yield _objects(objects) if objects else _off("object store", "a folder", "MEMPORIUM_OBJECTS_URL")
    index = settings.index_url.get_secret_value()
    yield _index(index) if index else _off("index", "embedded", "MEMPORIUM_INDEX_URL")
    for service in SERVICES:
        address = settings.address_of(service)
        if address:
            yield _service(service, address.rpartition("/")[2])


def _off(what: str, used: str, name: str) -> Finding:
    return Finding(what, found=True, detail=f"{used} in the data folder ({name} is not set)")


def _database(url: str) -> Finding:
    import sqlalchemy

    from memporium_platform.storage.sql.postgres import postgres_url

    what = "PostgreSQL"
    try:
        parsed = postgres_url(url)
        engine = sqlalchemy.create_engine(parsed, connect_args={"connect_timeout": _CONNECT_S})
        with engine.connect() as connection:
            version = connection.execute(sqlalchemy.text("show server_version")).scalar_one()
    except (sqlalchemy.exc.SQLAlchemyError, ValueError, UnicodeError) as error:
        cause = getattr(error, "orig", None) or error
        password = urlsplit(url).password or ""
        return _unreachable(what, _one_line(cause, secret=password), "MEMPORIUM_DATABASE_URL")
    return Finding(what, found=True, detail=f"version {version} at {parsed.host}", required=True)


def _objects(url: str) -> Finding:
    import urllib3
    from minio import Minio
    from minio.error import MinioException

    from memporium_platform.storage.objects.s3_address import S3Address

    what, address = "S3", S3Address.parse(url)
    client = Minio(
        address.endpoint,
        access_key=address.access_key,
        secret_key=address.secret_key,
        secure=address.secure,
        region=address.region,
        http_client=urllib3.PoolManager(timeout=_CONNECT_S, retries=False),
    )
    try:
        there = client.bucket_exists(address.bucket)
    except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
        return _unreachable(what, _one_line(error, secret=address.secret_key), "MEMPORIUM_OBJECTS_URL")
    state = "" if there else ", which the first start will make"
    return Finding(what, found=True, detail=f"bucket {address.bucket} at {address.endpoint}{state}", required=True)


def _index(url: str) -> Finding:
    what, parts = "Milvus", urlsplit(url)
    if find_spec("pymilvus") is None:
        advice = "pip install 'memporium[milvus]'"
        return Finding(what, found=False, detail="pymilvus is not installed", advice=advice, required=True)
    if not parts.hostname:
        folder = Path(parts.path).parent
        if not os.access(folder, os.W_OK):
            return _unreachable(what, f"{folder} cannot be written to", "MEMPORIUM_INDEX_URL")
        return Finding(what, found=True, detail=f"Milvus Lite in {parts.path}", required=True)
    try:
        socket.create_connection((parts.hostname, parts.port or _MILVUS_PORT), timeout=_CONNECT_S).close()
    except OSError as error:
        return _unreachable(what, f"{parts.hostname}: {_one_line(error)}", "MEMPORIUM_INDEX_URL")
    return Finding(what, found=True, detail=f"something listens at {parts.hostname}", required=True)


def _service(service: str, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        # Services start in any order and wait for each other.
        advice = f"start it there: memporium serve {service}"
        return Finding(f"{service} service", found=False, detail=f"{address}: {_one_line(error)}", advice=advice)
    return Finding(f"{service} service", found=True, detail=f"something listens at {address}")


def _unreachable(what: str, detail: str, name: str) -> Finding:
    return Finding(what, found=False, detail=detail, advice=f"start it, or change {name}", required=True)


def _one_line(error: object, *, secret: str = "") -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(secret, "********") if secret else text
