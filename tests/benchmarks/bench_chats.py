"""Evidence recall in chats with an assistant, through the public API: Remember the sessions, then Recall.

`python tests/benchmarks/bench_chats.py [--chats FOLDER] [--without LEVER] [--out FILE]` prints one JSON object. A question
counts at k by the share of its evidence messages among the first k messages recalled, and at a budget by the share that
stands in the context. No language model is used, and nothing was tuned on these chats (`support/chats.py`). Beside it,
over the same messages and questions in the same run: BM25 over the raw text, BM25 with stems, and the vault's search by
meaning (the same vectors). What single statements of a message are found by counts for the message.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from memporium.reader.v1 import recall_pb2, remember_pb2  # noqa: E402 - after the path is set
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub  # noqa: E402
from memporium.vault.v1 import search_pb2, vault_pb2, vault_service_pb2  # noqa: E402
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub  # noqa: E402
from support import chats, retrieval  # noqa: E402
from support.platform import running_platform  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SERVICES = ("governance", "vault", "inference", "reader")
_RANKED = 200
_LEVERS = tuple(field.name for field in recall_pb2.RecallOptions.DESCRIPTOR.fields)


async def _remember(reader: Any, parent: str, chat: chats.Chat) -> None:
    for session, messages in chat.sessions.items():

        async def requests(
            session: str = session, messages: Sequence[chats.Message] = messages
        ) -> AsyncIterator[remember_pb2.RememberRequest]:
            yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session=session))
            for one in messages:
                turn = remember_pb2.Turn(id=one.id, speaker=one.role, role=one.role, text=one.text)
                turn.time.FromDatetime(one.time)
                yield remember_pb2.RememberRequest(turn=turn)

        await reader.Remember(requests())


async def _recall(reader: Any, parent: str, chat: chats.Chat, off: Sequence[str]) -> list[chats.Found]:
    session_of = {one.id: one.session for one in chat.messages}
    found = []
    for question in chat.questions:
        request = recall_pb2.RecallRequest(parent=parent, query=question.text, limit=_RANKED, budget_tokens=65_536)
        request.now.FromDatetime(question.time)
        for lever in off:
            setattr(request.options, lever, False)
        started = time.perf_counter()
        answer = await reader.Recall(request)
        latency_ms = (time.perf_counter() - started) * 1000
        ranking = tuple(dict.fromkeys(item.source.locator for item in answer.items if not item.kind))
        held = {}
        for budget in chats.BUDGETS:
            request.budget_tokens = budget
            fitted = await reader.Recall(request)
            held[budget] = frozenset(item.source.locator for item in fitted.items if not item.kind)
        found.append(chats.Found(question, ranking, session_of, held, latency_ms))
    return found


async def _by_meaning(vaults: Any, parent: str, chat: chats.Chat) -> list[chats.Found]:
    session_of = {one.id: one.session for one in chat.messages}
    found = []
    for question in chat.questions:
        request = vault_service_pb2.SearchCubesRequest(
            parent=parent, query=question.text, mode=search_pb2.SEARCH_MODE_SEMANTIC, limit=_RANKED
        )
        hits = [hit.unit.source.locator async for response in vaults.SearchCubes(request) for hit in response.hits]
        found.append(chats.Found(question, tuple(dict.fromkeys(hits)), session_of, {}))
    return found


def _bm25(chat: chats.Chat, *, stemmed: bool) -> list[chats.Found]:
    session_of = {one.id: one.session for one in chat.messages}
    words = retrieval.stemmed_words if stemmed else retrieval.plain_words
    index = retrieval.Bm25([one.text for one in chat.messages], words)
    return [
        chats.Found(
            question, tuple(chat.messages[place].id for place in index.rank(question.text, _RANKED)), session_of, {}
        )
        for question in chat.questions
    ]


def _report(found: Sequence[chats.Found]) -> dict[str, Any]:
    kinds = defaultdict(list)
    for one in found:
        kinds[one.question.kind].append(one)
    return chats.figures(found) | {
        "by_kind": {kind: {"n": len(of)} | chats.figures(of) for kind, of in sorted(kinds.items())}
    }


async def measure(given: Sequence[chats.Chat], off: Sequence[str]) -> dict[str, Any]:
    """Return the figures of all systems."""
    systems: dict[str, list[chats.Found]] = defaultdict(list)
    apart = {}
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(SERVICES, data_dir=Path(folder), tenant_calls_per_s=0.0) as platform:
            org = await platform.organisation("bench")
            channel = platform.channel(org.owner_key)
            reader, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
            for number, chat in enumerate(given):
                create = vault_service_pb2.CreateVaultRequest(
                    parent="orgs/bench", vault_id=f"chat-{number}", vault=vault_pb2.Vault()
                )
                parent = (await vaults.CreateVault(create)).vault.name
                await _remember(reader, parent, chat)
                ours = await _recall(reader, parent, chat, off)
                systems["ours"] += ours
                systems["meaning"] += await _by_meaning(vaults, parent, chat)
                systems["bm25"] += _bm25(chat, stemmed=False)
                systems["bm25_stemmed"] += _bm25(chat, stemmed=True)
                apart[chat.id] = chats.figures(ours)
                sys.stderr.write(f"{chat.id}: {len(chat.messages)} messages, {len(chat.questions)} questions\n")
    words = {
        role: [len(m.text.split()) for c in given for m in c.messages if m.role == role]
        for role in ("user", "assistant")
    }
    return {
        "benchmark": "chats",
        "n": {
            "chats": len(given),
            "messages": sum(len(chat.messages) for chat in given),
            "questions": len(systems["ours"]),
            "words_a_message": {role: round(statistics.fmean(of), 1) for role, of in words.items() if of},
        },
        "without": list(off),
        "systems": {name: _report(found) for name, found in systems.items()},
        "chats": apart,
        "latency_p50_ms": round(statistics.median(one.latency_ms for one in systems["ours"]), 1),
    }


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=Path, default=chats.FOLDER, help="folder of chats")
    parser.add_argument("--quick", action="store_true", help="only the first chat")
    parser.add_argument("--without", action="append", default=[], choices=_LEVERS, help="switch a lever off")
    parser.add_argument("--out", type=Path, help="file to write the JSON to, too")
    options = parser.parse_args()
    given = chats.load(options.chats)
    if not given:
        sys.stderr.write(f"no chats in {options.chats}\n")
        return 2
    text = json.dumps(asyncio.run(measure(given[: 1 if options.quick else None], options.without)))
    if options.out is not None:
        options.out.write_text(text + "\n", "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
