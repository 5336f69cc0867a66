"""What every command shares: where the platform is, with which key, and how to print."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

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
        purpose: Purpose declared with every call.
    """

    address: str
    key: str
    as_json: bool
    ca_file: Path | None = None
    purpose: str = ""

    @cached_property
    def client(self) -> Client:
        """The client, connected at first use."""
        return Client(self.address, api_key=self.key, ca_file=self.ca_file, purpose=self.purpose)

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


def default_key(environment: Mapping[str, str] = os.environ) -> str:
    """Return MEMPORIUM_API_KEY, else the operator's key of a data folder on this machine, else ""."""
    key = environment.get("MEMPORIUM_API_KEY", "")
    if key:
        return key
    path = Path(environment.get("MEMPORIUM_DATA_DIR", "memporium-data")) / "operator.key"
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def session(context: typer.Context) -> Session:
    """Return the session that the root command made."""
    found = context.find_root().obj
    if not isinstance(found, Session):
        raise typer.Exit(code=2)
    return found
