"""The vaults and cubes behind a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.client import MemporiumError
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium.client import Client
    from memporium.cube.v1 import cube_pb2
    from memporium.memory.scopes import Scope

# Reasons of a refusal that mean, to one's own memory, that there is none.
ABSENT = frozenset({"NOT_FOUND", "PERMISSION_DENIED"})
FULL = cubes_pb2.CUBE_VIEW_FULL
PAGE = 100


class Store:
    """One organisation's vaults with a prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        """Use a connection."""
        self._client, self._prefix = client, prefix
        self._org = ""
        self._made: set[str] = set()

    def name(self, scope: Scope) -> str:
        """Return the full name of the scope's vault."""
        return f"{self._parent()}/vaults/{scope.vault_id(self._prefix)}"

    def _parent(self) -> str:
        if not self._org:
            name: str = self._client.governance.who_am_i().principal.name
            self._org = "/".join(name.split("/")[:2])
        return self._org

    def made(self, scope: Scope) -> str:
        """Return the scope's vault, made where it is not there."""
        name = self.name(scope)
        if name not in self._made:
            try:
                self._client.vault.create_vault(parent=self._parent(), vault_id=name.rsplit("/", 1)[1])
            except MemporiumError as error:
                if error.reason != "ALREADY_EXISTS":
                    raise
            self._made.add(name)
        return name

    def full(self, memory_id: str) -> str:
        """Return the full name of a memory's cube.

        Raises:
            ValueError: It is no id of a memory.
        """
        vault, _, cube = memory_id.partition("/")
        if not vault.startswith(f"{self._prefix}-") or not cube or "/" in cube:
            raise ValueError(f"no memory {memory_id}")
        return f"{self._parent()}/vaults/{vault}/cubes/{cube}"

    def cube(self, memory_id: str) -> cube_pb2.Cube | None:
        """Return a memory's cube; None where there is none."""
        try:
            name = self.full(memory_id)
        except ValueError:
            return None
        try:
            cube: cube_pb2.Cube = self._client.vault.get_cube(name=name).cube
        except MemporiumError as error:
            if error.reason in ABSENT:
                return None
            raise
        return cube

    def cubes(self, vault: str, names: list[str]) -> Iterator[cube_pb2.Cube]:
        """Yield those of these cubes that are there."""
        for start in range(0, len(names), PAGE):
            some = names[start : start + PAGE]
            yield from self._client.vault.batch_get_cubes(parent=vault, names=some, view=FULL).cubes

    def all(self, vault: str, scope: Scope) -> Iterator[cube_pb2.Cube]:
        """Yield the cubes of a scope."""
        token, chosen = "", cubes_pb2.CubeFilter(tags_all=scope.conditions())
        while True:
            try:
                page = self._client.vault.list_cubes(
                    parent=vault, page_size=PAGE, page_token=token, filter=chosen, view=FULL
                )
            except MemporiumError as error:
                if error.reason in ABSENT:
                    return
                raise
            yield from page.cubes
            token = page.next_page_token
            if not token:
                return

    def version_pages(self, name: str) -> Iterator[Any]:
        """Yield the pages of a cube's versions."""
        token = ""
        while True:
            page = self._client.vault.list_cube_versions(name=name, page_size=PAGE, page_token=token)
            yield page
            token = page.next_page_token
            if not token:
                return
