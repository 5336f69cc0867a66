"""What marks in text cost in retrieval: nDCG@10 over marked copies against the original, in dialogues with evidence.

Ranked by BM25 over the platform's terms; by both legs as the platform does, which keeps the original's vectors; and, for
comparison, by MiniLM with the copies embedded anew. Prints one JSON object last.
"""

import argparse
import json
import math
import re
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium_platform.tracing.code import Profile
from memporium_platform.tracing.copies import CopyOfTexts
from memporium_platform.tracing.keys import TracingSecret
from memporium_services.inference.adapters.embedders.minilm_onnx import MiniLmEmbedder
from memporium_services.vault.domain.text import terms_of
from support.retrieval import Bm25

SECRET = TracingSecret(b"bench".ljust(32, b"."))
TOP = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="JSON in LoCoMo's form; without it there is nothing to ask")
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--dense", type=int, default=2, help="dialogues that are also ranked by MiniLM")
    parser.add_argument("--only-dense", action="store_true", help="rank by MiniLM alone, the first --dense dialogues")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def dialogue(sample):
    """Return the turns by id, and questions with the ids of their evidence."""
    turns = {
        turn["dia_id"]: f"{turn['speaker']}: {turn['text']}"
        for session in sample["conversation"].values()
        if isinstance(session, list)
        for turn in session
    }
    asked = []
    for pair in sample["qa"]:
        wanted = {one for text in pair.get("evidence", []) for one in re.findall(r"D\d+:\d+", text)} & set(turns)
        if wanted and pair.get("category") != 5:
            asked.append((pair["question"], wanted))
    return turns, asked


def ndcg(ranked, wanted):
    gain = sum(1 / math.log2(2 + at) for at, one in enumerate(ranked[:TOP]) if one in wanted)
    return gain / sum(1 / math.log2(2 + at) for at in range(min(len(wanted), TOP)))


def by_words(turns, asked):
    ids = list(turns)
    index = Bm25(list(turns.values()), terms_of)
    return [ndcg([ids[at] for at in index.rank(question, TOP)], wanted) for question, wanted in asked]


def by_vectors(embedder, turns, asked, queries):
    ids = list(turns)
    order = np.argsort(-(queries @ embed(embedder, list(turns.values())).T), axis=1)[:, :TOP]
    return [ndcg([ids[at] for at in row], wanted) for row, (_, wanted) in zip(order, asked, strict=True)]


def by_both(turns, asked, queries, vectors):
    """Rank as the platform does: four parts of the original's vectors, six of the words of the copy."""
    ids = list(turns)
    index = Bm25(list(turns.values()), terms_of)
    found = []
    for (question, wanted), query in zip(asked, queries, strict=True):
        words = np.zeros(len(ids))
        for place, at in enumerate(ranked := index.rank(question, len(ids))):
            words[at] = 1.0 - place / len(ranked)
        order = np.argsort(-(0.4 * (vectors @ query) + 0.6 * words))[:TOP]
        found.append(ndcg([ids[at] for at in order], wanted))
    return found


def embed(embedder, texts):
    return np.asarray([one.vector for one in embedder.embed(texts)], dtype=np.float32)


def main():
    given = arguments()
    if given.data is None:
        print(json.dumps({"benchmark": "trace_quality", "skipped": "no --data"}))
        return
    samples = [dialogue(sample) for sample in json.loads(given.data.read_text())]
    embedder = MiniLmEmbedder()
    embedder.load()
    scores = {"bm25": {"original": []}, "hybrid": {"original": []}, "minilm, embedded anew": {"original": []}}
    copies = {
        f"copy {number}": CopyOfTexts(SECRET, SECRET.recipient(str(number)), Profile.TRIPLE)
        for number in range(given.copies)
    }
    for at, (turns, asked) in enumerate(samples[: given.dense] if given.only_dense else samples):
        queries = embed(embedder, [question for question, _ in asked])
        vectors = queries[:0] if given.only_dense else embed(embedder, list(turns.values()))
        for name in ("original", *copies):
            text = {one: copies[name].mark(value) if name in copies else value for one, value in turns.items()}
            if not given.only_dense:
                scores["bm25"].setdefault(name, []).extend(by_words(text, asked))
                scores["hybrid"].setdefault(name, []).extend(by_both(text, asked, queries, vectors))
            if at < given.dense:
                found = by_vectors(embedder, text, asked, queries)
                scores["minilm, embedded anew"].setdefault(name, []).extend(found)
                print(f"dialogue {at} {name}: {statistics.mean(found):.4f}", file=sys.stderr, flush=True)
    result = {"benchmark": "trace_quality", "copies": given.copies}
    for leg, by_name in scores.items():
        if not by_name["original"]:
            continue
        plain = statistics.mean(by_name["original"])
        marked = [statistics.mean(by_name[name]) for name in copies]
        difference = np.mean([by_name[name] for name in copies], axis=0) - np.array(by_name["original"])
        half = 1.96 * float(difference.std(ddof=1)) / math.sqrt(len(difference))
        result[leg] = {
            "questions": len(difference),
            "ndcg_original": round(plain, 4),
            "ndcg_marked": [round(value, 4) for value in marked],
            "change_percent": round(100 * float(difference.mean()) / plain, 3),
            "interval_95_percent": [
                round(100 * (float(difference.mean()) + side * half) / plain, 3) for side in (-1, 1)
            ],
        }
    print(json.dumps(result))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
