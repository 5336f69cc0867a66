"""Recall with a language model that judges the best statements, beside the same questions without it, through gRPC.

Questions and dialogues are those of `bench_recall`; every Nth question is asked twice in turn. The judge gets all the
time that it needs, so that the figures tell what it makes of the order; `within_4_s` is the share of questions for which
it would have been in time by default. `cpu_s` is the processor time of one question, of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench_recall
from bench_recall import DEFAULT_DATA, SERVICES, remember, scored

from memporium.reader.v1 import recall_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support import retrieval, yardstick
from support.platform import running_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

_RANKED = 50
_DEFAULT_LIMIT_US = 4_000_000


class _Rows:
    """Results with and without the judge, question by question."""

    def __init__(self) -> None:
        self.plain: list[retrieval.Result] = []
        self.judged: list[retrieval.Result] = []
        self.judge_us: list[int] = []
        self.cpu_s: list[float] = []
        self.failures: list[str] = []


async def _ask(stub: Any, parent: str, dialogue: yardstick.Dialogue, every: int, rows: _Rows) -> None:
    session_of = {turn.id: turn.session for turn in dialogue.turns}
    request = recall_pb2.RecallRequest(parent=parent, limit=_RANKED, budget_tokens=65_536)
    request.now.FromDatetime(max(turn.time for turn in dialogue.turns) + timedelta(days=1))
    for asked in scored(dialogue)[::every]:
        request.query = asked.text
        for found, judged in ((rows.plain, False), (rows.judged, True)):
            request.options.likelihood = judged
            began, cpu = time.perf_counter(), time.process_time()
            answer = await stub.Recall(request)
            latency_ms = (time.perf_counter() - began) * 1000
            ranking = [item.source.locator for item in answer.items]
            found.append(retrieval.result_of(asked, dialogue.id, ranking, session_of, latency_ms=latency_ms))
            if judged:
                rows.judge_us.append(answer.trace.judge_us)
                rows.cpu_s.append(time.process_time() - cpu)
                rows.failures += [answer.trace.judge_failure] if answer.trace.judge_failure else []


async def _run(dialogues: Sequence[yardstick.Dialogue], every: int, models: Path | None) -> _Rows:
    rows = _Rows()
    with tempfile.TemporaryDirectory() as folder:
        if models is not None:
            (Path(folder) / "models").symlink_to(models.resolve())
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
                if not number:
                    # The model is loaded at its first use.
                    await reader.Recall(recall_pb2.RecallRequest(parent=parent, query="Who was there and why?"))
                await _ask(reader, parent, dialogue, every, rows)
                sys.stderr.write(f"{dialogue.id}: {len(rows.plain)} questions\n")
    return rows


def _figures(results: Sequence[retrieval.Result]) -> dict[str, float]:
    first = sum(sum(rank == 1 for rank in one.ranks) / max(1, len(one.ranks)) for one in results)
    return {"recall@1": round(first / max(1, len(results)), 4), **retrieval.brief(results)}


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="file in the shape of LoCoMo")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="the judge")
    parser.add_argument("--every", type=int, default=8, help="ask each Nth question")
    parser.add_argument("--models", type=Path, help="models that an earlier server converted: DATA_DIR/models")
    parser.add_argument("--limit", type=int, default=0, help="only the first N dialogues")
    options = parser.parse_args()
    if not options.data.is_file():
        sys.stdout.write(json.dumps({"skipped": "give a file in the shape of LoCoMo with --data PATH"}) + "\n")
        return 0 if options.data == DEFAULT_DATA else 2
    os.environ["MEMPORIUM_READER_JUDGE_MODEL"] = options.model
    os.environ["MEMPORIUM_READER_JUDGE_TIMEOUT_S"] = "300"
    dialogues = yardstick.load(options.data)[: options.limit or None]
    rows = asyncio.run(_run(dialogues, max(1, options.every), options.models))
    times = sorted(rows.judge_us)
    figures = {
        "n": len(rows.plain),
        "model": options.model,
        "plain": _figures(rows.plain),
        "judged": _figures(rows.judged),
        "failures": rows.failures,
        "judge_ms": {
            name: times[int(share * (len(times) - 1))] / 1000 for name, share in (("p50", 0.5), ("p95", 0.95))
        },
        "cpu_s": round(sorted(rows.cpu_s)[len(rows.cpu_s) // 2], 2),
        "within_4_s": round(sum(one <= _DEFAULT_LIMIT_US for one in times) / len(times), 3),
        "folds": {"plain": retrieval.folds(rows.plain), "judged": retrieval.folds(rows.judged)},
        "tuned_on": bench_recall._TUNED_ON + "; the judge's weights: 224 questions of that file",
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
