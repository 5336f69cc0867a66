"""What a vault holds, now or at an earlier moment, as tests of the past ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter
from support.vaults import cell

if TYPE_CHECKING:
    from memporium.cube.v1.cube_pb2 import Cube
    from support.vaults import VaultPlace

ALL = CubeFilter(states=[1, 2, 3, 4, 5])


def text_of(cube: Cube) -> str:
    return cube.payload.plaintext.mem_cell.facts[0].text


async def held_in(place: VaultPlace, vault: str, **when: Any) -> dict[str, Cube]:
    """Return the cubes of a vault by id, page by page."""
    found: dict[str, Cube] = {}
    request = api.ListCubesRequest(parent=vault, view=2, filter=ALL, page_size=2, **when)
    while True:
        page = await place.stub.ListCubes(request)
        found |= {cube.name.rpartition("/")[2]: cube for cube in page.cubes}
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def rewrite(place: VaultPlace, name: str, text: str, **told: Any) -> int:
    changed = cell(text, **told)
    changed.name = name
    mask = FieldMask(paths=["payload", *(f"descriptive.{field}" for field in told)])
    return (await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=mask))).revision
