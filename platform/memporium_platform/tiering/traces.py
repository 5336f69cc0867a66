"""Traces to try policies on: made up by a seed, kept as JSON lines, or recorded."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING

from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.simulation import Access

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BYTES_A_TOKEN = 23_040
# Reading a prompt of n tokens takes a n + b n^2 seconds: the fit of bench_kv's figures on one CPU core.
_SECONDS_A_TOKEN, _SECONDS_A_TOKEN_SQUARED = 2.5e-3, 3.5e-7
# Beyond these a number in a trace is a mistake: a memory of 256 TiB, or one that saves thirty thousand years.
_MOST_BYTES, _MOST_SECONDS = 1 << 48, 1e12
_TOPICS = 8
_DIMENSIONS = 16


def memory(key: str, tokens: int, *, labels: Iterable[str] = (), vector: tuple[float, ...] = ()) -> Item:
    """Return a KV memory of so many tokens."""
    saved = _SECONDS_A_TOKEN * tokens + _SECONDS_A_TOKEN_SQUARED * tokens * tokens
    return Item(key, tokens * _BYTES_A_TOKEN, saved, frozenset(labels), vector)


def made_up_memories(count: int, seed: int) -> list[Item]:
    """Return memories of a few hundred to a few thousand tokens, each about one of eight topics."""
    chance = random.Random(seed)
    centres = [_unit([chance.gauss(0, 1) for _ in range(_DIMENSIONS)]) for _ in range(_TOPICS)]
    found = []
    for index in range(count):
        topic = index % _TOPICS
        vector = _unit([part + chance.gauss(0, 0.2) for part in centres[topic]])
        tokens = int(min(8_000, 200 * math.exp(chance.gauss(0.8, 0.9))))
        found.append(memory(f"cube-{index}", tokens, labels=[f"topic-{topic}"], vector=vector))
    return found


def zipf(memories: list[Item], uses: int, seed: int, *, exponent: float = 0.9, gap_s: float = 5.0) -> Iterator[Access]:
    """Yield uses whose popularity follows Zipf's law, the same all the time."""
    chance = random.Random(seed)
    order = chance.sample(memories, len(memories))
    weights = [1.0 / (rank + 1) ** exponent for rank in range(len(order))]
    at = 0.0
    for item in chance.choices(order, weights, k=uses):
        at += chance.expovariate(1.0 / gap_s)
        yield Access(at, item)


def shifting(memories: list[Item], uses: int, seed: int, *, phase: int = 400, gap_s: float = 5.0) -> Iterator[Access]:
    """Yield uses by interests that change: in each phase two topics, and within them a new order of popularity."""
    chance = random.Random(seed)
    at, order, weights = 0.0, memories, [1.0] * len(memories)
    for index in range(uses):
        if index % phase == 0:
            topics = set(chance.sample(range(_TOPICS), 2))
            inside = [item for item in memories if item.labels & {f"topic-{topic}" for topic in topics}]
            outside = [item for item in memories if item not in inside]
            order = [*chance.sample(inside, len(inside)), *chance.sample(outside, len(outside))]
            weights = [1.0 / (rank + 1) ** 0.8 * (1.0 if rank < len(inside) else 0.2) for rank in range(len(order))]
        at += chance.expovariate(1.0 / gap_s)
        yield Access(at, chance.choices(order, weights)[0])


def scans(memories: list[Item], uses: int, seed: int, *, every: int = 300, gap_s: float = 5.0) -> Iterator[Access]:
    """Yield Zipf uses, broken by reading through a third of all memories once: what drives out all that is useful."""
    steady = zipf(memories, uses, seed, gap_s=gap_s)
    chance = random.Random(seed + 1)
    shift = 0.0
    for index, access in enumerate(steady):
        if index and index % every == 0:
            for item in chance.sample(memories, len(memories) // 3):
                shift += gap_s / 10
                yield Access(access.at + shift, item)
        yield Access(access.at + shift, access.item)


def write(trace: Iterable[Access]) -> Iterator[str]:
    """Yield a trace as JSON lines."""
    for access in trace:
        item = access.item
        yield json.dumps(
            {
                "at": access.at,
                "agent": access.agent,
                "key": item.key,
                "size_bytes": item.size_bytes,
                "saved_s": item.saved_s,
                "labels": sorted(item.labels),
            }
        )


def read(lines: Iterable[str]) -> Iterator[Access]:
    """Yield the uses of a trace of JSON lines.

    Raises:
        ValueError: A line is no use of a memory, earlier than the one before, or has a number that cannot be; the
            message names it.
    """
    before = -math.inf
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            item = Item(
                str(row["key"]), int(row["size_bytes"]), float(row["saved_s"]), frozenset(row.get("labels", ()))
            )
            access = Access(float(row["at"]), item, str(row.get("agent", "")))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as err:
            raise ValueError(f"line {number} is no use of a memory") from err
        if not access.at >= before or item.size_bytes < 0 or not item.saved_s >= 0:
            raise ValueError(f"line {number} is earlier than the one before, or has a number below zero")
        if max(item.saved_s, abs(access.at)) > _MOST_SECONDS or item.size_bytes > _MOST_BYTES:
            raise ValueError(f"line {number} has a number beyond all measure")
        before = access.at
        yield access


def _unit(vector: list[float]) -> tuple[float, ...]:
    length = math.sqrt(sum(part * part for part in vector))
    return tuple(part / length for part in vector)
