"""Evidence recall on dialogues in the shape of LoCoMo, through the public API: Remember, then Recall.

A question counts at k by the share of its evidence turns among the first k turns recalled. No language model is used;
the system reads the dialogue alone (turns, times, captions). Beside it, over the same turns and questions in the same
run: BM25 over the raw text (`bm25`), and BM25 with stems, speaker and date (`bm25_stemmed`). Malformed evidence labels
are mended or left out (`support/yardstick.py`). Latency is that of Recall as its client sees it, embedding included.

Which parameters were tuned, and on what: the weights in `reader/domain/ranking.py`, by coordinate ascent on two thirds
of the dialogues of `locomo-dev.json` and checked on the rest, three times over; the weight and length of the head
(`covering`, `HEAD`) out of a few round values on all of them; those of `evidence` and `spread` likewise, checked by
choosing them on five dialogues and asking on the sixth, and on dialogues made into chats with an assistant; nothing
else, and nothing on single questions. `--folds` adds each dialogue apart and the spread over them; nothing is tuned anew
for it. `--tune` chooses all levers and weights anew, from equal ones, on all dialogues but one and asks on that one
(`support/tuning.py`): what the ranking's form gives on dialogues that nothing was tuned on. `--ablation` adds a row for
each lever switched off: the dialogues are remembered once and the questions asked once a row. `--without LEVER` measures
all with a lever off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from memporium.reader.v1 import recall_pb2, remember_pb2  # noqa: E402 - after the path is set
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub  # noqa: E402
from memporium.vault.v1 import vault_pb2, vault_service_pb2  # noqa: E402
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub  # noqa: E402
from support import retrieval, tuning, yardstick  # noqa: E402
from support.platform import running_platform  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

DEFAULT_DATA = ROOT.parent / "shared" / "data" / "locomo-dev.json"
_RANKED = 50
# Foresight is listed beside the items and moves none of them; scenes and profiles are off; no model is there to judge.
_NO_ROW = ("foresight", "scenes", "profiles", "likelihood")
_LEVERS = tuple(field.name for field in recall_pb2.RecallOptions.DESCRIPTOR.fields)
_TUNED_ON = "the ranking's weights: locomo-dev.json in three splits of four and two; its head's: all of that file"
SERVICES = ("governance", "vault", "inference", "reader")


async def remember(stub: Any, parent: str, dialogue: yardstick.Dialogue) -> None:
    """Remember a dialogue, a session at a time."""
    for session in dialogue.sessions:

        async def requests(session: str = session) -> AsyncIterator[remember_pb2.RememberRequest]:
            header = remember_pb2.RememberHeader(parent=parent, session=session)
            yield remember_pb2.RememberRequest(header=header)
            for one in dialogue.turns:
                if one.session == session:
                    turn = remember_pb2.Turn(id=one.id, speaker=one.speaker, text=one.text, caption=one.caption)
                    turn.time.FromDatetime(one.time)
                    yield remember_pb2.RememberRequest(turn=turn)

        await stub.Remember(requests())


async def _ask(
    stub: Any, parent: str, dialogue: yardstick.Dialogue, *, off: Sequence[str], record: _Record | None
) -> list[retrieval.Result]:
    session_of = {turn.id: turn.session for turn in dialogue.turns}
    request = recall_pb2.RecallRequest(parent=parent, limit=_RANKED, budget_tokens=65_536)
    request.now.FromDatetime(max(turn.time for turn in dialogue.turns) + timedelta(days=1))
    for lever in off:
        setattr(request.options, lever, False)
    found = []
    for asked in dialogue.questions:
        request.query = asked.text
        started = time.perf_counter()
        answer = await stub.Recall(request)
        latency_ms = (time.perf_counter() - started) * 1000
        tokens = sum(item.tokens for item in answer.items[:10])
        ranking = [item.source.locator for item in answer.items]
        more = {"latency_ms": latency_ms, "context_tokens": tokens}
        found.append(retrieval.result_of(asked, dialogue.id, ranking, session_of, **more))
        if record is not None and asked.category != 5:
            record.found.append(record.recorder.last(dialogue.id, asked, session_of))
    return found


@dataclass
class _Record:
    """What was weighed for each question of the first row."""

    recorder: tuning.Recorder
    found: list[tuning.Recorded]


@dataclass
class _Measured:
    """Results by row (the levers that are off), and the time that remembering took."""

    rows: dict[tuple[str, ...], list[retrieval.Result]]
    forming_s: float = 0.0


async def _ours(
    dialogues: Sequence[yardstick.Dialogue],
    rows: Sequence[tuple[str, ...]],
    every: int,
    record: _Record | None = None,
) -> _Measured:
    """Remember each dialogue once, and ask its questions once a row; rows after the first ask each `every`th."""
    found = _Measured({row: [] for row in rows})
    with tempfile.TemporaryDirectory() as folder:
        unlimited = {"tenant_calls_per_s": 0.0}
        async with running_platform(SERVICES, data_dir=Path(folder), **unlimited) as platform:
            org = await platform.organisation("bench")
            channel = platform.channel(org.owner_key)
            reader, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
            for number, dialogue in enumerate(dialogues):
                create = vault_service_pb2.CreateVaultRequest(
                    parent="orgs/bench", vault_id=f"dialogue-{number}", vault=vault_pb2.Vault()
                )
                parent = (await vaults.CreateVault(create)).vault.name
                started = time.perf_counter()
                await remember(reader, parent, dialogue)
                found.forming_s += time.perf_counter() - started
                fewer = replace(dialogue, questions=scored(dialogue)[::every])
                for place, row in enumerate(rows):
                    questions, noted = (fewer, None) if place else (dialogue, record)
                    found.rows[row] += await _ask(reader, parent, questions, off=row, record=noted)
                sys.stderr.write(f"{dialogue.id}: {len(dialogue.turns)} turns, {len(dialogue.questions)} questions\n")
    return found


def scored(dialogue: yardstick.Dialogue) -> tuple[yardstick.Asked, ...]:
    """Return the questions that count: category 5 has no answer in the dialogue."""
    return tuple(one for one in dialogue.questions if one.category != 5)


def _ablation(measured: _Measured, base: tuple[str, ...], every: int) -> dict[str, Any]:
    """Return a row for each lever switched off, beside the same questions with nothing more switched off."""
    of_dialogue: dict[str, int] = {}
    whole = []
    for one in measured.rows[base]:
        if one.category != 5:
            place = of_dialogue[one.dialogue] = of_dialogue.get(one.dialogue, -1) + 1
            whole += [one] if place % every == 0 else []
    reference = retrieval.brief(whole)
    rows = {"none off": reference}
    for off, results in measured.rows.items():
        if off != base:
            figures = retrieval.brief(results)
            lost = {f"{name} lost": round(reference[name] - figures[name], 4) for name in ("recall@10", "mrr")}
            rows[f"without {off[-1]}"] = figures | lost
    return {"n": len(whole), "rows": rows}


def _bm25(dialogues: Sequence[yardstick.Dialogue], *, stemmed: bool) -> list[retrieval.Result]:
    found = []
    for dialogue in dialogues:
        texts = [
            f"{turn.speaker}: {turn.text} {turn.caption} {turn.time:%d %B %Y}" if stemmed else turn.text
            for turn in dialogue.turns
        ]
        index = retrieval.Bm25(texts, retrieval.stemmed_words if stemmed else retrieval.plain_words)
        session_of = {turn.id: turn.session for turn in dialogue.turns}
        for asked in dialogue.questions:
            started = time.perf_counter()
            ranking = [dialogue.turns[place].id for place in index.rank(asked.text, _RANKED)]
            latency_ms = (time.perf_counter() - started) * 1000
            found.append(retrieval.result_of(asked, dialogue.id, ranking, session_of, latency_ms=latency_ms))
    return found


def measure(
    dialogues: Sequence[yardstick.Dialogue], *, off: Sequence[str], folds: bool, ablation: bool, every: int, tune: bool
) -> dict[str, Any]:
    """Return the figures of all systems."""
    base = tuple(off)
    levers = [name for name in _LEVERS if name not in {*off, *_NO_ROW}] if ablation else []
    with tuning.Recorder() as recorder:
        record = _Record(recorder, []) if tune else None
        measured = asyncio.run(_ours(dialogues, [base, *((*base, lever) for lever in levers)], every, record))
    ours = measured.rows[base]
    main = [one for one in ours if one.category != 5]
    turns = sum(len(dialogue.turns) for dialogue in dialogues)
    tokens = sum(one.context_tokens for one in ours) / max(1, len(ours))
    figures = {
        "ours": retrieval.report(ours),
        "bm25": retrieval.report(_bm25(dialogues, stemmed=False)),
        "bm25_stemmed": retrieval.report(_bm25(dialogues, stemmed=True)),
        "n": {"dialogues": len(dialogues), "turns": turns, "questions": len(main), "category5": len(ours) - len(main)},
        "context_tokens@10": round(tokens, 1),
        "turns_remembered_per_s": round(turns / measured.forming_s, 1),
        "without": list(off),
    }
    if folds:
        figures["folds"] = retrieval.folds(main) | {"tuned_on": _TUNED_ON}
    if record is not None:
        figures["tuned_on_the_others"] = tuning.by_folds(record.found)
    if ablation:
        figures["ablation"] = _ablation(measured, base, every)
    return figures


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="file in the shape of LoCoMo")
    parser.add_argument("--out", type=Path, help="file to write the JSON to, too")
    parser.add_argument("--limit", type=int, default=0, help="only the first N dialogues")
    parser.add_argument("--quick", action="store_true", help="only the first dialogue")
    parser.add_argument("--without", action="append", default=[], choices=_LEVERS, help="switch a lever off")
    parser.add_argument("--folds", action="store_true", help="add each dialogue apart, and the spread")
    parser.add_argument("--tune", action="store_true", help="add folds with all weights chosen anew on the others")
    parser.add_argument("--ablation", action="store_true", help="add a row for each lever switched off")
    parser.add_argument("--every", type=int, default=1, help="rows of the ablation ask each Nth question")
    options = parser.parse_args()
    if not options.data.is_file():
        sys.stdout.write(json.dumps({"skipped": "give a file in the shape of LoCoMo with --data PATH"}) + "\n")
        return 0 if options.data == DEFAULT_DATA else 2
    dialogues = yardstick.load(options.data)
    figures = measure(
        dialogues[: options.limit or (1 if options.quick else None)],
        off=options.without,
        folds=options.folds,
        ablation=options.ablation,
        every=max(1, options.every),
        tune=options.tune and len(dialogues) > 1,
    )
    text = json.dumps(figures)
    if options.out is not None:
        options.out.write_text(text + "\n", "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
