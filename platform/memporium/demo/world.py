"""Who takes part in the story, and what they have made so far."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from memporium.demo.server import Running


@dataclass
class Party:
    """An organisation with its owner and its agent, each with a key of their own."""

    name: str
    owner: Client
    agent: Client


@dataclass
class World:
    """The story so far; each scene adds to it.

    Attributes:
        running: The platform.
        data: Where to read documents or dialogue; None: the Python reference.
        model: Generator to use; "": the default.
        publisher: Who sells.
        subscriber: Who buys.
        outsider: Who does neither.
        library: The publisher's vault.
        desk: The subscriber's own vault.
        hot: Cubes that became KV memory, in order.
        kv: The KV memory.
        listing: The listing.
        offer: The offer.
        release: The first release.
        agreement: The agreement in force.
        pack: The vault that the pack lies in at the subscriber's.
        bundle: The sealed bundle of the first release.
        question: What the story asks.
        calls: Licensed calls made so far.
        clients: Every client, to be closed at the end.
    """

    running: Running
    data: Path | None = None
    model: str = ""
    publisher: Party = field(init=False)
    subscriber: Party = field(init=False)
    outsider: Party = field(init=False)
    library: str = ""
    desk: str = ""
    hot: list[str] = field(default_factory=list)
    kv: str = ""
    listing: str = ""
    offer: str = ""
    release: str = ""
    agreement: str = ""
    pack: str = ""
    bundle: str = ""
    question: str = ""
    calls: int = 0
    clients: list[Client] = field(default_factory=list)

    @property
    def subject(self) -> str:
        """What the pack is about."""
        return "The Python language reference" if self.data is None else self.data.stem or "Documents"

    @property
    def slug(self) -> str:
        """The subject as an id."""
        words = re.sub(r"[^a-z0-9]+", "-", self.subject.lower()).strip("-")
        return "python-reference" if self.data is None else f"about-{words}"[:40].rstrip("-")

    def client(self, key: str, *, purpose: str = "") -> Client:
        """Return a client with a key; closed at the end of the story."""
        made = Client(self.running.address, api_key=key, services=self.running.services, purpose=purpose)
        self.clients.append(made)
        return made

    def close(self) -> None:
        """Close every client."""
        for client in self.clients:
            client.close()
