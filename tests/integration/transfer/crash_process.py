"""A platform in a process of its own, to be killed in the middle of a pull: its vault never ends the import."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.bundles import tensor_file
from support.integration_transfer import SOURCE, running_scene


async def main(folder: Path) -> None:
    async with running_scene(folder) as scene:
        scene.vaults.add(SOURCE, ["the sky is blue", "water is wet"], blobs={"kv": tensor_file()})
        sealed = await scene.seal()
        scene.vaults.hold_import = asyncio.Event()
        pull = asyncio.create_task(scene.pull(request_id="11111111-1111-4111-8111-111111111111"))
        await scene.vaults.importing.wait()
        sys.stdout.write(f"{sealed.bundle.name}\n")
        sys.stdout.flush()
        await pull


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
