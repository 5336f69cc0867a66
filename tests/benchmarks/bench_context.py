"""What a context of so many tokens holds: the evidence covered by Recall within a token budget, through the public API.

A question counts by the share of its evidence turns that stand in the context. Beside it, in the same run and within
the same budget: the best turns by BM25 (stems, speaker and date) and by meaning (the vault's semantic search, the same
vectors), filled up in their order, a turn that does not fit passed over; their contexts carry no frame and no source,
so they have more room. With `--gists`, Recall is asked with scenes and with profiles, too: a turn counts as covered where
it stands in the context, as an item or as a statement of a scene or profile. `full_context` is what all turns take. Tokens are counted by the reader's rule for all alike.
Categories 1 to 4; no language model is used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from bench_recall import DEFAULT_DATA, SERVICES, remember, scored  # noqa: E402 - after the path is set

from memporium.reader.v1 import recall_pb2, scenes_pb2  # noqa: E402
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub  # noqa: E402
from memporium.vault.v1 import search_pb2, vault_pb2, vault_service_pb2  # noqa: E402
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub  # noqa: E402
from memporium_services.reader.domain.budget import count_tokens  # noqa: E402
from support import retrieval, yardstick  # noqa: E402
from support.platform import running_platform  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BUDGETS = (500, 1_000, 2_000)
_SYSTEMS = ("ours", "bm25_stemmed", "dense")
_GISTS = {
    "with_scenes": recall_pb2.RecallOptions(scenes=True),
    "with_profiles": recall_pb2.RecallOptions(profiles=True),
    "with_both": recall_pb2.RecallOptions(scenes=True, profiles=True),
}
# Turns that a ranking brings at most; more than fill the largest budget.
_RANKED = 200
_QUICK = 10


@dataclass
class _Found:
    """One value a question, by system and budget."""

    covered: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    multi_hop: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    tokens: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    turns: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    latency_ms: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, system: str, budget: int, asked: yardstick.Asked, held: Sequence[str], tokens: int) -> None:
        """Count one context."""
        known = set(held)
        share = sum(turn in known for turn in asked.evidence) / len(asked.evidence)
        key = (system, budget)
        self.covered[key].append(share)
        self.tokens[key].append(tokens)
        self.turns[key].append(len(known))
        if asked.category == 1:
            self.multi_hop[key].append(share)


def _fill(ranking: Iterable[str], tokens_of: dict[str, int], budget: int) -> tuple[list[str], int]:
    """Return the turns of a ranking that fit into a budget, and their tokens."""
    held: list[str] = []
    left = budget
    for turn in dict.fromkeys(ranking):
        if tokens_of[turn] <= left:
            held.append(turn)
            left -= tokens_of[turn]
    return held, budget - left


async def _dense(vaults: Any, parent: str, query: str) -> list[str]:
    request = vault_service_pb2.SearchCubesRequest(
        parent=parent, query=query, mode=search_pb2.SEARCH_MODE_SEMANTIC, limit=_RANKED
    )
    return [hit.unit.source.locator async for response in vaults.SearchCubes(request) for hit in response.hits]


async def _recall(reader: Any, request: recall_pb2.RecallRequest) -> tuple[list[str], int, float]:
    """Return the turns in the context, its tokens, and the milliseconds."""
    started = time.perf_counter()
    answer = await reader.Recall(request)
    spent_ms = (time.perf_counter() - started) * 1000
    held = [item.source.locator for item in answer.items if not item.kind]
    held += [told.source.locator for item in answer.items for told in item.evidence]
    return held, answer.context_tokens, spent_ms


async def _ask(found: _Found, stubs: tuple[Any, Any], parent: str, dialogue: yardstick.Dialogue, *, gists: bool) -> int:
    """Ask all questions of a dialogue; return the tokens of all its turns."""
    reader, vaults = stubs
    lines = [
        f"{turn.speaker}: {turn.text} {turn.caption} ({turn.time:%d %B %Y})".replace("  ", " ")
        for turn in dialogue.turns
    ]
    # One more for the end of the line.
    tokens_of = {turn.id: count_tokens(line) + 1 for turn, line in zip(dialogue.turns, lines, strict=True)}
    index = retrieval.Bm25(lines, retrieval.stemmed_words)
    request = recall_pb2.RecallRequest(parent=parent, limit=_RANKED)
    request.now.FromDatetime(max(turn.time for turn in dialogue.turns) + timedelta(days=1))
    for asked in dialogue.questions:
        request.query = asked.text
        rankings = {
            "bm25_stemmed": [dialogue.turns[place].id for place in index.rank(asked.text, _RANKED)],
            "dense": await _dense(vaults, parent, asked.text),
        }
        for budget in BUDGETS:
            request.budget_tokens = budget
            held, tokens, spent_ms = await _recall(reader, request)
            found.latency_ms["ours", budget].append(spent_ms)
            found.add("ours", budget, asked, held, tokens)
            for system, options in _GISTS.items() if gists else ():
                held, tokens, spent_ms = await _recall(reader, _with(request, options))
                found.latency_ms[system, budget].append(spent_ms)
                found.add(system, budget, asked, held, tokens)
            for system, ranking in rankings.items():
                found.add(system, budget, asked, *_fill(ranking, tokens_of, budget))
    return sum(tokens_of.values())


def _with(request: recall_pb2.RecallRequest, options: recall_pb2.RecallOptions) -> recall_pb2.RecallRequest:
    made = recall_pb2.RecallRequest(options=options)
    made.MergeFrom(request)
    return made


async def _run(dialogues: Sequence[yardstick.Dialogue], every: int, *, gists: bool) -> tuple[_Found, list[int]]:
    found, full = _Found(), []
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(SERVICES, data_dir=Path(folder), tenant_calls_per_s=0.0) as platform:
            org = await platform.organisation("bench")
            channel = platform.channel(org.owner_key)
            reader, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
            for number, dialogue in enumerate(dialogues):
                create = vault_service_pb2.CreateVaultRequest(
                    parent="orgs/bench", vault_id=f"dialogue-{number}", vault=vault_pb2.Vault()
                )
                parent = (await vaults.CreateVault(create)).vault.name
                await remember(reader, parent, dialogue)
                if gists:
                    await reader.Consolidate(scenes_pb2.ConsolidateRequest(parent=parent))
                fewer = replace(dialogue, questions=scored(dialogue)[::every])
                full.append(await _ask(found, (reader, vaults), parent, fewer, gists=gists))
                sys.stderr.write(f"{dialogue.id}: {len(fewer.questions)} questions\n")
    return found, full


def measure(dialogues: Sequence[yardstick.Dialogue], *, every: int, gists: bool = False) -> dict[str, Any]:
    """Return the evidence covered by budget and system."""
    found, full = asyncio.run(_run(dialogues, every, gists=gists))
    systems = (*_SYSTEMS, *(_GISTS if gists else ()))
    budgets: dict[str, Any] = {}
    for budget in BUDGETS:
        row: dict[str, Any] = {system: _figures(found, (system, budget)) for system in systems}
        row["recall_p50_ms"] = round(statistics.median(found.latency_ms["ours", budget]), 1)
        for system in _GISTS if gists else ():
            row[system]["recall_p50_ms"] = round(statistics.median(found.latency_ms[system, budget]), 1)
        budgets[str(budget)] = row
    questions = len(found.latency_ms["ours", BUDGETS[0]])
    return {
        "budgets": budgets,
        "full_context": {"covered": 1.0, "tokens": round(statistics.fmean(full), 1)},
        "n": {"dialogues": len(dialogues), "questions": questions},
    }


def _figures(found: _Found, key: tuple[str, int]) -> dict[str, float]:
    covered, multi = found.covered[key], found.multi_hop[key]
    return {
        "covered": round(statistics.fmean(covered), 4),
        "all_covered": round(statistics.fmean(share == 1 for share in covered), 4),
        "multi_hop_covered": round(statistics.fmean(multi), 4) if multi else 0.0,
        "tokens": round(statistics.fmean(found.tokens[key]), 1),
        "turns": round(statistics.fmean(found.turns[key]), 1),
    }


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="file in the shape of LoCoMo")
    parser.add_argument("--out", type=Path, help="file to write the JSON to, too")
    parser.add_argument("--limit", type=int, default=0, help="only the first N dialogues")
    parser.add_argument("--quick", action="store_true", help=f"each {_QUICK}th question of the first dialogue")
    parser.add_argument("--gists", action="store_true", help="add Recall with scenes, profiles and both")
    parser.add_argument("--every", type=int, default=1, help="ask each Nth question")
    options = parser.parse_args()
    if not options.data.is_file():
        sys.stdout.write(json.dumps({"skipped": "give a file in the shape of LoCoMo with --data PATH"}) + "\n")
        return 0 if options.data == DEFAULT_DATA else 2
    dialogues = yardstick.load(options.data)[: 1 if options.quick else options.limit or None]
    text = json.dumps(measure(dialogues, every=_QUICK if options.quick else options.every, gists=options.gists))
    if options.out is not None:
        options.out.write_text(text + "\n", "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
