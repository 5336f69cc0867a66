"""6. The pack is recalled beside the subscriber's own memories, then answers once as text and once as KV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp
from rich.markup import escape

from memporium.cube.v1 import cube_pb2
from memporium.demo.answers import generate
from memporium.demo.stage import UnexpectedError
from memporium.reader.v1 import remember_pb2
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "The pack beside its own memories; a sooner answer from KV than from text"
_RECALLED = 3
_OWN = (
    ("Ada", "We open the ledger file with a with statement, so that it is closed even when a report fails."),
    ("Ben", "Right, and last Friday the context manager still swallowed the exception. I fixed that on Monday."),
)
# What only its own memories can tell.
_OWN_QUESTION = "Who fixed the context manager of the ledger file?"


def play(world: World, stage: Stage) -> None:
    """Remember a little dialogue, recall over both, generate twice."""
    agent = world.subscriber.agent
    agent.reader.remember(_dialogue(world.desk))
    credit: set[str] = set()
    for question in (world.question, _OWN_QUESTION):
        stage.say(f"  [italic]{escape(question)}[/italic]")
        response = agent.reader.recall(parent=world.desk, query=question, limit=_RECALLED, budget_tokens=1500)
        credits_here = {item.attribution for item in response.items if item.attribution}
        # One licensed call where the pack gave something, however much it gave.
        world.calls += bool(credits_here)
        credit |= credits_here
        stage.table(("", "whose", "score", "recalled from the desk vault and its mount"), _rows(response), numbers=(2,))
    stage.ok(f"each with its source, agreement and attribution: {'; '.join(sorted(credit)) or 'none'}")
    _sooner(world, stage)


def _rows(response: Any) -> list[tuple[str, ...]]:
    return [
        (
            f"[{item.citation}]",
            "pack" if item.agreement else "own",
            f"{item.score:.2f}",
            " ".join(item.text.split()),
        )
        for item in response.items
    ]


def _sooner(world: World, stage: Stage) -> None:
    """Answer with the pack's text in the prompt, and with its KV memory."""
    text_mounts, kv_mount = _mounts(world)
    agent = world.subscriber.agent
    as_text = generate(agent, world, text_mounts)
    as_kv = generate(agent, world, [kv_mount])
    world.calls += 2
    gain = as_text.first_token_s / as_kv.first_token_s
    stage.table(
        ("memory mounted as", "first token", "from the cache"),
        (
            ("text in the prompt", f"{as_text.first_token_s * 1000:.0f} ms", "0 tokens"),
            ("KV memory", f"{as_kv.first_token_s * 1000:.0f} ms", f"{as_kv.cached_tokens} tokens"),
        ),
        numbers=(1, 2),
    )
    shown = "".join(letter if letter.isprintable() else " " for letter in as_kv.text)
    stage.say(f"  [italic]{escape(' '.join(shown.split()))} ...[/italic]")
    stage.fact("time to first token, text / KV", f"{as_text.first_token_s:.2f} s / {as_kv.first_token_s:.2f} s")
    stage.fact("gain of KV memory", f"{gain:.1f} x")


def _mounts(world: World) -> tuple[list[str], str]:
    """Return the pack's own copies of the KV memory and of the text that it was made from, in order."""
    agent = world.subscriber.agent
    activation = agent.vault.list_cubes(
        parent=world.pack,
        filter=cubes_pb2.CubeFilter(forms=[cube_pb2.MEMORY_FORM_ACTIVATION]),
        view=cubes_pb2.CUBE_VIEW_FULL,
    ).cubes
    world.calls += 1
    if not activation:
        raise UnexpectedError("the pack holds no KV memory")
    sources = activation[0].payload.activation.source_cubes
    ids = [name.rsplit("/", 1)[1] for name in sources]
    return [f"{world.pack}/cubes/{cube_id}" for cube_id in ids], activation[0].name


def _dialogue(vault: str) -> Iterator[Any]:
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=vault, session="standup"))
    for index, (speaker, text) in enumerate(_OWN):
        # 10 June 2024, a Monday: relative dates in the text are resolved against it.
        time = Timestamp(seconds=1_718_013_600 + index)
        turn = remember_pb2.Turn(id=f"t{index + 1}", speaker=speaker, text=text, time=time)
        yield remember_pb2.RememberRequest(turn=turn)
