"""A replay of writes of which nine in ten say what was said before: how many cubes it leaves, what it loses and costs.

`python tests/benchmarks/bench_duplicates.py [--quick] [--writes N] [--seed N] [--model M] [--out FILE]` prints one JSON
object last. Each write is a memory of one statement, made by `CreateCube`, one after another. One in ten is a new fact;
of the others most repeat one: as an exact copy, in other letter case, blanks and punctuation, or in other words that say
the same (contractions, articles, number words, dates, order of a clause). Some are near duplicates that differ in one
number, name or negation, or add something: those are facts of their own and must not be lost. Some are paraphrases with
other verbs: the same fact to a person, which no rule can tell for certain; keeping them is right, and counted apart.

The replay runs into three vaults: one that merges near duplicates, one that links them, and one without either, where
every write carries a number of its own (no duplicates are told at all). Last, one statement alone is written thousands of
times as ever other cubes into a vault that links: what links cost must not grow with how often the same is said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import uvloop

from memporium.vault.v1 import cubes_pb2, vault_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import Vector
from support.vaults import MODEL, VaultPlace, cell, vault_place

NEW, EXACT, WRITING, REWORDED, PARAPHRASED, CHANGED = (
    "new fact", "exact copy", "other writing", "reworded", "paraphrased", "near duplicate with another fact",
)  # fmt: skip
_KINDS = {EXACT: 40, WRITING: 25, REWORDED: 20, PARAPHRASED: 5, CHANGED: 10}
_NAMES = ("Ada", "Bela", "Carla", "Dario", "Edda", "Farid", "Greta", "Hanno", "Ilse", "Jonas", "Katja", "Lars", "Mira")
_THINGS = (
    "river restoration",
    "harbour lights",
    "city library",
    "tram line",
    "solar roof",
    "school kitchen",
    "archive",
)
_ACTS = ("approved", "rejected", "postponed", "doubled", "reviewed", "cancelled", "published", "audited")
_DAYS = ("2 March 2026", "14 April 2026", "9 June 2026", "21 July 2026", "3 September 2026", "30 October 2026")
_PARAPHRASES = {
    "approved": "gave the green light to", "rejected": "turned down", "postponed": "put off", "doubled": "raised twofold",
    "reviewed": "looked over", "cancelled": "called off", "published": "made public", "audited": "went through the books of",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """What one statement tells."""

    who: str
    act: str
    thing: str
    euros: int
    day: str
    room: int
    negated: bool = False

    def text(self, *, act: str = "") -> str:
        done = f"did not approve {self.thing}" if self.negated else f"{act or self.act} the {self.thing} project"
        return (
            f"{self.who} {done} with a budget of {self.euros:,} euros in room {self.room} on {self.day}, "
            "and the minutes are in the shared folder."
        )


@dataclass(frozen=True)
class Write:
    """One write: what it says, which fact that is, and in what way it is said."""

    text: str
    fact: Fact
    kind: str


def replay(seed: int, writes: int) -> list[Write]:
    """Return the writes, in order; one in ten tells a new fact."""
    rng = Random(seed)
    facts: dict[Fact, None] = {}
    made: list[Write] = []
    for number in range(writes):
        if number % 10 == 0 or not facts:
            fact = _fact(rng)
            while fact in facts:
                fact = _fact(rng)
            facts[fact] = None
            made.append(Write(fact.text(), fact, NEW))
            continue
        known = list(facts)
        # What was said last is what is said again most.
        fact = known[-1 - min(len(known) - 1, int(rng.expovariate(0.05)))]
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        if kind == CHANGED:
            changed = _changed(rng, fact)
            kind = CHANGED if changed not in facts else EXACT
            facts[changed] = None
            made.append(Write(changed.text(), changed, kind))
        else:
            made.append(Write(_said(rng, fact, kind), fact, kind))
    return made


def _fact(rng: Random) -> Fact:
    return Fact(
        f"{rng.choice(_NAMES)} {rng.choice(_NAMES)}son",
        rng.choice(_ACTS),
        rng.choice(_THINGS),
        rng.randrange(10, 999) * 100,
        rng.choice(_DAYS),
        rng.randrange(2, 13),
    )


def _changed(rng: Random, fact: Fact) -> Fact:
    ways = (
        {"euros": fact.euros + 100 * rng.randrange(1, 9)},
        {"room": 2 + (fact.room - 1) % 11},
        {"day": rng.choice([day for day in _DAYS if day != fact.day])},
        {"who": f"{rng.choice(_NAMES)} {rng.choice(_NAMES)}ova"},
        {"negated": not fact.negated, "act": "approved"},
    )
    return Fact(**(fact.__dict__ | rng.choice(ways)))


def _said(rng: Random, fact: Fact, kind: str) -> str:
    text = fact.text()
    if kind == WRITING:
        ways = (str.upper, str.lower, str.title, lambda one: one.rstrip(".") + "!", lambda one: f"  {one}\n",
                lambda one: one.replace(" ", "  "), lambda one: one.replace(", ", " - "), lambda one: f'"{one}"')  # fmt: skip
        return rng.choice(ways)(text)
    if kind == REWORDED:
        numbers = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
        day, month, year = fact.day.split()
        ways = (
            lambda one: f"Please note that {one}",
            lambda one: f"FYI: {one}",
            lambda one: one.replace(f"room {fact.room}", f"room {numbers[fact.room - 2]}"),
            lambda one: one.replace(f"{fact.euros:,}", str(fact.euros)),
            lambda one: one.replace(fact.day, f"{month} {int(day)}, {year}"),
            lambda one: one.replace("did not", "didn't").replace("a budget", "budget"),
            lambda one: one.replace("the shared folder", "shared folder"),
        )
        return rng.choice(ways)(text)
    return fact.text(act=_PARAPHRASES[fact.act]) if kind == PARAPHRASED else text


async def _run(place: VaultPlace, name: str, made: list[Write], *, policy: int, numbered: bool) -> dict[str, object]:
    """Write all into one vault; return the figures."""
    vault = vault_pb2.Vault(near_duplicates=policy)  # type: ignore[arg-type]  # a number of the enum
    request = api.CreateVaultRequest(parent=place.org.name, vault_id=name, vault=vault)
    parent = (await place.stub.CreateVault(request)).vault.name
    vectors = _vectors({write.text for write in made})
    times: list[float] = []
    kept: Counter[str] = Counter()
    for number, write in enumerate(made):
        cube = cell(write.text)
        if numbered:
            cube.payload.plaintext.mem_cell.facts[0].source.locator = str(number)
        request_ = api.CreateCubeRequest(parent=parent, cube=cube, unit_vectors=[vectors[write.text]])
        began = time.perf_counter()
        response = await place.stub.CreateCube(request_)
        times.append(time.perf_counter() - began)
        kept[write.kind] += not response.deduplicated
    texts, cubes, links = await _held(place, parent)
    told = {write.text: write.fact for write in made}
    present = {told[text] for text in texts}
    expected = len({write.fact for write in made})
    tenth = len(times) // 10
    paraphrased = len({(write.fact, write.text) for write in made if write.kind == PARAPHRASED})
    return {
        "facts": expected,
        "cubes": cubes,
        "cubes_expected": expected,
        "paraphrases_kept_beside": min(paraphrased, cubes - expected) if not numbered else None,
        "cubes_too_many_without_paraphrases": cubes - expected - (0 if numbered else kept[PARAPHRASED]),
        "facts_lost": expected - len(present),
        "stored_by_kind": {kind: f"{kept[kind]} of {count}" for kind, count in Counter(w.kind for w in made).items()},
        "links": links,
        "writes_per_s": round(len(times) / sum(times), 1),
        "writes_per_s_first_tenth": round(tenth / sum(times[:tenth]), 1),
        "writes_per_s_last_tenth": round(tenth / sum(times[-tenth:]), 1),
    }


async def _worst(place: VaultPlace, count: int) -> dict[str, object]:
    """Write one statement over and over, each time as another cube, into a vault that links: the worst for links."""
    vault = vault_pb2.Vault(near_duplicates=vault_pb2.NEAR_DUPLICATE_POLICY_LINK)
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="worst", vault=vault)
    parent = (await place.stub.CreateVault(request)).vault.name
    fact = _fact(Random(1))
    vector = _vectors({fact.text()})[fact.text()]
    times: list[float] = []
    for number in range(count):
        cube = cell(fact.text() + " " * (number % 7) + "." * (number // 7))
        began = time.perf_counter()
        await place.stub.CreateCube(api.CreateCubeRequest(parent=parent, cube=cube, unit_vectors=[vector]))
        times.append(time.perf_counter() - began)
    tenth = count // 10
    _, cubes, links = await _held(place, parent)
    return {
        "cubes": cubes,
        "links": links,
        "writes_per_s_first_tenth": round(tenth / sum(times[:tenth]), 1),
        "writes_per_s_last_tenth": round(tenth / sum(times[-tenth:]), 1),
    }


def _vectors(texts: set[str]) -> dict[str, Vector]:
    """Return a vector for each text, made of its words: embedding is not what is measured."""
    found = {}
    for text in texts:
        total = np.zeros(384, np.float32)
        for word in text.lower().split():
            total += (
                np.random.default_rng(sum(word.encode()) * 7919 + len(word)).standard_normal(384).astype(np.float32)
            )
        found[text] = Vector(values=total.tolist())
    return found


async def _held(place: VaultPlace, parent: str) -> tuple[set[str], int, int]:
    """Return the texts of all cubes, how many cubes there are, and how many links."""
    texts: set[str] = set()
    cubes = links = 0
    token = ""
    while True:
        request = api.ListCubesRequest(parent=parent, page_size=500, page_token=token, view=cubes_pb2.CUBE_VIEW_FULL)
        page = await place.stub.ListCubes(request)
        cubes += len(page.cubes)
        texts.update(fact.text for cube in page.cubes for fact in cube.payload.plaintext.mem_cell.facts)
        token = page.next_page_token
        if not token:
            break
    while True:
        related = await place.stub.ListRelations(
            api.ListRelationsRequest(parent=parent, page_size=1000, page_token=token)
        )
        links += len(related.relations)
        token = related.next_page_token
        if not token:
            return texts, cubes, links


async def measure(seed: int, writes: int) -> dict[str, object]:
    """Run everything; return the figures."""
    made = replay(seed, writes)
    found: dict[str, object] = {"writes_by_kind": dict(Counter(write.kind for write in made))}
    runs = {
        "merging": (vault_pb2.NEAR_DUPLICATE_POLICY_MERGE, False),
        "linking": (vault_pb2.NEAR_DUPLICATE_POLICY_LINK, False),
        "no duplicates told": (vault_pb2.NEAR_DUPLICATE_POLICY_IGNORE, True),
    }
    for name, (policy, numbered) in runs.items():
        with tempfile.TemporaryDirectory() as folder:
            async with vault_place(Path(folder), tenant_calls_per_s=0) as place:
                found[name] = await _run(place, name.replace(" ", "-"), made, policy=policy, numbered=numbered)
    with tempfile.TemporaryDirectory() as folder:
        async with vault_place(Path(folder), tenant_calls_per_s=0) as place:
            found["one statement, always another cube, linked"] = await _worst(place, writes * 2 // 3)
    return found


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the writes are made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="600 writes, some seconds")
    parser.add_argument("--writes", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    writes = asked.writes or (600 if asked.quick else 6_000)
    os.environ["MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL"] = MODEL
    figures = uvloop.run(measure(asked.seed, writes))
    text = json.dumps(
        {"benchmark": "duplicates", "quick": asked.quick, "seed": asked.seed, "writes": writes, **figures}
    )
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
