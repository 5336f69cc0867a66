"""Which of two statements does memory answer with: after clean updates, and after poisoned ones?

`python tests/benchmarks/bench_contradiction.py [--quick] [--seed N] [--subjects N] [--model M] [--out FILE]` prints one
JSON object last. A history is made from the seed: hundreds of persons and projects with attributes, of which some are
updated by a source trusted no less, and some contradicted later by one trusted less (a tool, an assistant, a web page),
besides statements that only add. All is remembered through `Remember` and `RememberDocuments` and asked for through
`Recall`. The answer is the value of the first recalled statement on the asked attribute that is not marked as
superseded, of ten; beside it, from the fifty that `Recall` brings without the lever: the newest statement (last write
wins), the oldest (first write wins), and the best ranked one.

A third of the pairs are in phrasings that the rules were not written for. They are in all figures, and apart. A second
history is in phrasings of other styles, with attributes that no list names, poison that is said five times over, and
poison that speaks before the truth and again after it. A third and a fourth one, the latter by another author, are of the
same kind. The reader was extended for all of these since. A fifth one, by a third author, is in phrasings as people write
them in chats, which nobody who changed the reader had seen before it was measured with them. Neither
had they those of a sixth one, by a fourth author, of which half are short and half go on to something else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvloop
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.reader.v1 import claims_pb2, recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.contradictions import CLEAN, EARLY, LEFT, POISONED, REPEATED, UPDATED_THEN_POISONED, history
from support.platform import running_platform
from support.statements import CHATTED, FURTHER, NATURAL, UNSEEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from support.contradictions import History, Pair, Said
    from support.phrasings import Phrasings

SESSION_TURNS = 8
AT_ONCE = 4
_POISONED = (POISONED, UPDATED_THEN_POISONED, REPEATED, EARLY)
METHODS = ("memporium", "last write wins", "first write wins", "best ranked")


@dataclass
class Asked:
    """How one pair was answered, by method, and what was said of the old or the contradicting statement."""

    pair: Pair
    answers: dict[str, str]
    marked: bool
    as_of_right: bool | None


def _stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


async def _remember(stub: Any, parent: str, number: int, some: Sequence[Said]) -> None:
    """Remember statements as the turns of one session."""

    async def requests() -> AsyncIterator[remember_pb2.RememberRequest]:
        session = f"session-{number}"
        yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session=session))
        for turn, said in enumerate(some):
            said.place = f"{session} t{turn}"
            made = remember_pb2.Turn(
                id=f"t{turn}", speaker=said.speaker, role=said.role, text=said.text, time=_stamp(said.time)
            )
            yield remember_pb2.RememberRequest(turn=made)

    await stub.Remember(requests())


async def _read(stub: Any, parent: str, number: int, said: Said) -> None:
    """Remember a statement as a web page."""
    source = f"https://pages.example/{number}"

    async def requests() -> AsyncIterator[remember_pb2.RememberDocumentsRequest]:
        header = remember_pb2.RememberDocumentsHeader(parent=parent)
        yield remember_pb2.RememberDocumentsRequest(header=header)
        document = remember_pb2.SourceDocument(source=source, title="Notes", text=said.text, time=_stamp(said.time))
        yield remember_pb2.RememberDocumentsRequest(document=document)

    await stub.RememberDocuments(requests())
    said.place = source


async def _fill(stub: Any, parent: str, made: History) -> float:
    began = time.perf_counter()
    waiting: list[Said] = []
    number = 0
    for said in made.said:
        number += 1
        if said.role == "web":
            await _read(stub, parent, number, said)
            continue
        waiting.append(said)
        if len(waiting) == SESSION_TURNS:
            await _remember(stub, parent, number, waiting)
            waiting = []
    if waiting:
        await _remember(stub, parent, number + 1, waiting)
    return time.perf_counter() - began


def _place(item: recall_pb2.RecallItem) -> str:
    source = item.source.source
    return source if source.startswith("https://") else f"{source} {item.source.locator}"


async def _ask(stub: Any, parent: str, pair: Pair, spent: list[float]) -> Asked:
    by_place = {said.place: said for said in pair.said}

    async def recall(limit: int = 10, budget: int = 2_000, **more: Any) -> list[tuple[recall_pb2.RecallItem, Said]]:
        request = recall_pb2.RecallRequest(
            parent=parent, query=pair.question, limit=limit, budget_tokens=budget, **more
        )
        response = await stub.Recall(request)
        return [(item, by_place[_place(item)]) for item in response.items if _place(item) in by_place]

    began = time.perf_counter()
    settled = await recall()
    spent.append(time.perf_counter() - began)
    # The baselines get five times as many, so that it is their rule that is measured and not the ranking.
    plain_options = recall_pb2.RecallOptions(contradiction=False)
    plain = [said for _, said in await recall(limit=50, budget=10_000, options=plain_options)]
    holding = [said for item, said in settled if not item.superseded_by]
    by_time = sorted(plain, key=lambda said: said.time)
    answers = {
        "memporium": holding[0].value if holding else "",
        "last write wins": by_time[-1].value if by_time else "",
        "first write wins": by_time[0].value if by_time else "",
        "best ranked": plain[0].value if plain else "",
    }
    if pair.kind == CLEAN:
        marked = any(item.superseded_by and said is pair.said[0] for item, said in settled)
    else:
        marked = any(item.in_conflict_with and said is pair.said[-1] for item, said in settled)
    as_of = None
    if pair.kind == CLEAN:
        before = [said for item, said in await recall(known_time=_stamp(pair.said[1].time)) if not item.superseded_by]
        as_of = bool(before) and before[0].value == pair.said[0].value
    return Asked(pair, answers, marked, as_of)


async def _superseded(stub: Any, parent: str, made: History) -> set[str]:
    """Return the places of all statements that are marked as superseded, whoever asks for what."""
    found: set[str] = set()
    for subject in {said.pair.subject for said in made.said}:
        for name in {subject, f"Project {subject}"}:
            response = await stub.ListClaims(claims_pb2.ListClaimsRequest(parent=parent, subject=name))
            for one in response.claims:
                if one.status.superseded_by:
                    found.add(_place(one))  # type: ignore[arg-type]  # has a source as an item has
    return found


def _percent(hits: int, total: int) -> float | None:
    return round(100 * hits / total, 1) if total else None


def _right(asked: Sequence[Asked], method: str) -> dict[str, float | None]:
    kinds = {
        "clean": (CLEAN,),
        "poisoned": _POISONED,
        "poisoned_by_repetition": (REPEATED,),
        "poisoned_before_and_after": (EARLY,),
        "left_alone": (LEFT,),
    }
    found = {}
    for name, some in kinds.items():
        of_kind = [one for one in asked if one.pair.kind in some]
        if not of_kind:
            continue
        found[name] = _percent(sum(one.answers[method] == one.pair.right for one in of_kind), len(of_kind))
    return found


def _report(made: History, asked: list[Asked], superseded: set[str]) -> dict[str, object]:
    seen, held = ([one for one in asked if one.pair.held == held] for held in (False, True))
    clean = [one for one in asked if one.pair.kind == CLEAN]
    poisoned = [one for one in asked if one.pair.kind in _POISONED]
    standing = [said for said in made.said if not said.superseded]
    false = [said for said in standing if said.place in superseded]
    attributes = sorted({one.pair.attribute for one in asked})

    def marked(some: Sequence[Asked]) -> float | None:
        return _percent(sum(one.marked for one in some), len(some))

    return {
        "pairs": len(asked),
        "pairs_by_kind": dict(Counter(one.pair.kind for one in asked)),
        "statements": len(made.said),
        "answers_right_percent": {method: _right(asked, method) for method in METHODS},
        "answers_right_percent_seen_phrasings": {method: _right(seen, method) for method in METHODS},
        "answers_right_percent_held_back_phrasings": {method: _right(held, method) for method in METHODS},
        "answers_right_percent_by_attribute": {
            name: _right([one for one in asked if one.pair.attribute == name], "memporium") for name in attributes
        },
        "updates_accepted_percent": {
            "all": _percent(sum(one.answers["memporium"] == one.pair.right for one in clean), len(clean)),
            "old_marked_superseded": marked(clean),
            "old_marked_superseded_seen": marked([one for one in clean if not one.pair.held]),
            "old_marked_superseded_held_back": marked([one for one in clean if one.pair.held]),
        },
        "poison_marked_in_conflict_percent": {
            "all": marked(poisoned),
            "seen": marked([one for one in poisoned if not one.pair.held]),
            "held_back": marked([one for one in poisoned if one.pair.held]),
        },
        "as_of_before_the_update_right_percent": _percent(sum(bool(one.as_of_right) for one in clean), len(clean)),
        "false_supersessions": {
            "count": len(false),
            "of": len(standing),
            "percent": _percent(len(false), len(standing)),
        },
    }


def _by_list(asked: list[Asked]) -> dict[str, object]:
    """Return how pairs were answered whose attribute the reader has a name for, and those where no list has one."""
    return {
        name: {method: _right([one for one in asked if one.pair.listed == listed], method) for method in METHODS}
        for name, listed in (("listed_attributes", True), ("unlisted_attributes", False))
    }


async def measure(
    seed: int, subjects: int, model: str, *, fresh: bool = False, unseen: Mapping[str, Phrasings] | None = None
) -> dict[str, object]:
    """Run a history; return the figures."""
    made = history(seed, subjects=subjects, attributes=4, fresh=fresh, unseen=unseen)
    with tempfile.TemporaryDirectory() as folder:
        services = ("vault", "inference", "reader")
        async with running_platform(services, data_dir=Path(folder), tenant_calls_per_s=0) as platform:
            org = await platform.organisation("acme")
            channel = platform.channel(org.owner_key)
            stub, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
            vault = vault_pb2.Vault(embedding_model=model)
            request = vault_service_pb2.CreateVaultRequest(parent=org.name, vault_id="notes", vault=vault)
            parent = (await vaults.CreateVault(request)).vault.name
            filled = await _fill(stub, parent, made)
            gate = asyncio.Semaphore(AT_ONCE)
            spent: list[float] = []

            async def ask(pair: Pair) -> Asked:
                async with gate:
                    return await _ask(stub, parent, pair, spent)

            asked = list(await asyncio.gather(*(ask(pair) for pair in made.pairs)))
            report = _report(made, asked, await _superseded(stub, parent, made))
            report |= _by_list(asked) if fresh or unseen else {}
    spent.sort()
    times = {"p50": round(1000 * spent[len(spent) // 2], 1), "p95": round(1000 * spent[int(len(spent) * 0.95)], 1)}
    return report | {"remember_s": round(filled, 1), f"recall_ms_{AT_ONCE}_at_once": times}


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the history is made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="36 subjects, some seconds")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--subjects", type=int, default=0)
    parser.add_argument("--model", default="hashing-384")
    parser.add_argument("--only-first", action="store_true", help="leave out the history in other styles")
    asked = parser.parse_args()
    subjects = asked.subjects or (36 if asked.quick else 300)
    figures = uvloop.run(measure(asked.seed, subjects, asked.model))
    styles = max(subjects // 2, 12)
    if not asked.only_first:
        figures["other_styles"] = uvloop.run(measure(asked.seed, styles, asked.model, fresh=True))
        figures["never_shown"] = uvloop.run(measure(asked.seed, styles, asked.model, unseen=UNSEEN))
        figures["by_another"] = uvloop.run(measure(asked.seed, styles, asked.model, unseen=FURTHER))
        figures["as_in_chats"] = uvloop.run(measure(asked.seed, styles, asked.model, unseen=NATURAL))
        figures["written_plainly"] = uvloop.run(measure(asked.seed, styles, asked.model, unseen=CHATTED))
    settings = {"seed": asked.seed, "subjects": subjects, "model": asked.model}
    text = json.dumps({"benchmark": "contradiction", "quick": asked.quick, **settings, **figures})
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
