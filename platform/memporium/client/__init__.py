"""Clients of the platform."""

from memporium.client.aio import AsyncClient
from memporium.client.errors import MemporiumError
from memporium.client.sync import Client

__all__ = ["AsyncClient", "Client", "MemporiumError"]
