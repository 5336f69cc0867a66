"""Memporium: keep, govern, share and license the memories of language models."""

from memporium.client import AsyncClient, Client, MemporiumError

__all__ = ["AsyncClient", "Client", "MemporiumError"]
