"""The story from its first scene to its last."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from memporium.demo.scenes import (
    audit,
    knowledge,
    organisations,
    publish,
    refusals,
    search,
    subscribe,
    updates,
    use,
)
from memporium.demo.server import platform
from memporium.demo.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium.demo.server import Running
    from memporium.demo.stage import Stage

_SCENES = (organisations, knowledge, search, publish, subscribe, use, refusals, updates, audit)
_GO_ON = """
[bold]Go on:[/bold]
  memporium serve              on 127.0.0.1:7600, its data in ./memporium-data
  memporium org create acme    an organisation and its owner's key

  [dim]# the client's first ten lines[/dim]
  from memporium import Client
  with Client("127.0.0.1:7600", api_key="mpk_...") as client:
      made = client.vault.create_vault(parent="orgs/acme", vault_id="notes")
      note = {"title": "Door", "text": "The door's code is on the blue card."}
      cube = {"payload": {"plaintext": {"document": note}}}
      client.vault.create_cube(parent=made.vault.name, cube=cube)
      answer = client.reader.recall(
          parent=made.vault.name, query="How do I get in?"
      )
      print(answer.context)
"""


def run(
    stage: Stage, *, data: Path | None = None, model: str = "", embedder: str = "", keep: Path | None = None
) -> None:
    """Tell the whole story on a fresh platform; nothing is left running, nor behind unless it is to be kept.

    Args:
        stage: Where it is told.
        data: Folder, file, JSON lines or dialogue to remember; None: the Python language reference.
        model: Generator; "": the default.
        embedder: Embedding model of new vaults; "": the default.
        keep: Empty folder for the platform's data and log, which stay there; None: a temporary one.

    Raises:
        UnexpectedError: Something that the story promises did not happen.
        MemporiumError: A call failed that should not have.
    """
    settings = {"MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": embedder} if embedder else {}
    began = time.perf_counter()
    with folder_of(keep) as folder:
        stage.say("Starting all seven services in one process, with the embedded engines in a fresh folder ...")
        with platform(folder, settings) as running:
            stage.ok(f"listening on {running.address}", time.perf_counter() - began)
            tell(stage, running, data=data, model=model)
    stage.fact("the whole story", f"{time.perf_counter() - began:.0f} s")
    stage.summary()
    stage.console.print(_GO_ON, soft_wrap=True)


def tell(stage: Stage, running: Running, *, data: Path | None = None, model: str = "") -> None:
    """Play every scene on a platform that runs already."""
    world = World(running=running, data=data, model=model)
    try:
        for scene in _SCENES:
            stage.scene(scene.TITLE)
            scene.play(world, stage)
    finally:
        world.close()


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    """Give a temporary folder for the block, or the one to keep, which must be empty."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="memporium-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise ValueError(f"{keep} is not empty")
    yield keep.resolve()
