"""What every command shares: where the platform is, with which key, and how to print."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from memporium.cli._output import errors
from memporium.client import Client

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Session:
    """The options before the command.

    Attributes:
        address: `host:port` of the platform.
        key: API key or JWT.
        as_json: Print JSON for programs instead of tables for people.
        ca_file: Certificates to trust; switches TLS on.
        certificate_file: Own certificate for mutual TLS.
        private_key_file: Key of the own certificate.
        purpose: Purpose declared with every call.
        region: Region declared with every call.
    """

    address: str
    key: str
    as_json: bool
    ca_file: Path | None = None
    certificate_file: Path | None = None
    private_key_file: Path | None = None
    purpose: str = ""
    region: str = ""

    @cached_property
    def client(self) -> Client:
        """The client, connected at first use."""
        return Client(
            self.address,
            api_key=self.key,
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.private_key_file,
            purpose=self.purpose,
            region=self.region,
        )

    @cached_property
    def org(self) -> str:
        """The caller's own organisation, `orgs/{org}`."""
        name: str = self.client.governance.who_am_i().principal.name
        return "/".join(name.split("/")[:2])

    def absolute(self, name: str, collection: str) -> str:
        """Return a full resource name for a bare id of the caller's own organisation."""
        return name if "/" in name else f"{self.org}/{collection}/{name}"

    def parent(self, org: str) -> str:
        """Return `orgs/{org}` for an id, a full name, or the caller's own where it is empty."""
        if not org:
            return self.org
        return org if org.startswith("orgs/") else f"orgs/{org}"


def find_key(key: str, key_file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the given key, that in the given file, or the operator's of a data folder on this machine, or "".

    Raises:
        typer.BadParameter: The given file cannot be read, or is empty.
    """
    if key:
        return key
    path = key_file or Path(environment.get("MEMPORIUM_DATA_DIR", "memporium-data")) / "operator.key"
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if key_file is None:
            return ""
        raise typer.BadParameter(f"{path}: {_why(error)}", param_hint="--key-file") from None
    if key_file is not None and not found:
        raise typer.BadParameter(f"{path} is empty", param_hint="--key-file")
    return found


def keep_secret(path: Path | None, secret: str) -> bool:
    """Write a key into a new file that only its owner can read.

    Return False where there is to be none, or where it cannot be written, which is told: then the key has to be shown,
    since nobody can ask for it again.
    """
    if path is None:
        return False
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as opened:
                opened.write(secret + "\n")
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        errors.print(f"[red]not written[/red] {escape(f'{path}: {_why(error)}')}", soft_wrap=True)
        return False
    return True


def check_new(path: Path | None) -> None:
    """Refuse a file that exists already, before a secret is made that could not be kept.

    Raises:
        typer.BadParameter: The file exists, or its folder does not.
    """
    if path is None:
        return
    if path.exists():
        raise typer.BadParameter(f"{path} exists already", param_hint="--save-key")
    if not os.access(path.resolve().parent, os.W_OK):
        raise typer.BadParameter(f"{path.resolve().parent} cannot be written to", param_hint="--save-key")


def session(context: typer.Context) -> Session:
    """Return the session that the root command made."""
    found = context.find_root().obj
    if not isinstance(found, Session):
        raise typer.Exit(code=2)
    return found


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "is not text"
