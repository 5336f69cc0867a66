"""Figures of retrieval over rankings, and plain BM25 to stand beside."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import snowballstemmer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORD = re.compile(r"\w+")
_STEM = snowballstemmer.stemmer("english").stemWord
_STOP_WORDS = """
a an and are as at be been but by did do does for from had has have he her him his how i if in is it its me my of on or
our she so that the their them then there they this to was we were what when where which who why will with would you
your
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Result:
    """One question: the ranks (from 1) of its evidence, and of its evidence sessions; 0: not found."""

    dialogue: str
    category: int
    ranks: tuple[int, ...]
    session_ranks: tuple[int, ...]
    latency_ms: float = 0.0
    context_tokens: int = 0


def result_of(asked: Any, dialogue: str, ranking: Sequence[str], session_of: dict[str, str], **more: Any) -> Result:
    """Return where the evidence stands in a ranking of turn ids; a session ranks by its best turn."""
    turns = {turn: rank for rank, turn in enumerate(dict.fromkeys(ranking), 1)}
    order = dict.fromkeys(session_of[turn] for turn in turns)
    sessions = {session: rank for rank, session in enumerate(order, 1)}
    wanted = dict.fromkeys(session_of[turn] for turn in asked.evidence)
    ranks = tuple(turns.get(turn, 0) for turn in asked.evidence)
    return Result(dialogue, asked.category, ranks, tuple(sessions.get(session, 0) for session in wanted), **more)


def turn_figures(results: Sequence[Result]) -> dict[str, float]:
    """Return recall, reciprocal rank, hits and complete answers, averaged over questions."""
    figures = {f"recall@{k}": _mean(results, lambda one, k=k: _share(one.ranks, k)) for k in (5, 10, 20, 50)}
    figures["mrr"] = _mean(results, lambda one: max((1 / rank for rank in one.ranks if rank), default=0.0))
    figures["hit@10"] = _mean(results, lambda one: float(_share(one.ranks, 10) > 0))
    figures["all@10"] = _mean(results, lambda one: float(_share(one.ranks, 10) == 1))
    return figures


def report(results: Sequence[Result]) -> dict[str, Any]:
    """Return the figures of one system: main categories 1 to 4, by category, by session, and latency."""
    main = [one for one in results if one.category != 5]
    by_category = {
        str(category): turn_figures([one for one in main if one.category == category]) | {"n": count}
        for category, count in sorted(Counter(one.category for one in main).items())
    }
    times = sorted(one.latency_ms for one in results)
    return {
        "turn": turn_figures(main) | {"by_category": by_category},
        "session": _session_figures(main),
        "latency_ms": {"p50": _quantile(times, 0.5), "p95": _quantile(times, 0.95)},
        "category5": turn_figures([one for one in results if one.category == 5]),
        "per_conversation": {
            name: turn_figures([one for one in main if one.dialogue == name])
            for name in dict.fromkeys(one.dialogue for one in main)
        },
    }


def brief(results: Sequence[Result]) -> dict[str, float]:
    """Return the figures that stand in one row of a table."""
    turn = turn_figures(results)
    figures = {name: turn[name] for name in ("recall@5", "recall@10", "recall@20", "mrr", "all@10")}
    figures["multi_hop@10"] = _mean([one for one in results if one.category == 1], lambda one: _share(one.ranks, 10))
    for k in (1, 3):
        figures[f"session@{k}"] = _mean(results, lambda one, k=k: _share(one.session_ranks, k))
    for k in (1, 3):
        figures[f"session_hit@{k}"] = _mean(results, lambda one, k=k: float(_share(one.session_ranks, k) > 0))
    return figures


def _session_figures(results: Sequence[Result]) -> dict[str, float]:
    """Return the share of the evidence's sessions that are found, and how often any of them is."""
    figures = brief(results)
    names = {"session@": "recall@", "session_hit@": "hit@"}
    return {new + str(k): figures[old + str(k)] for old, new in names.items() for k in (1, 3)}


def folds(results: Sequence[Result]) -> dict[str, Any]:
    """Return the figures of each dialogue apart, and their mean, least, greatest and standard deviation over dialogues."""
    names = dict.fromkeys(one.dialogue for one in results)
    rows = {name: brief([one for one in results if one.dialogue == name]) for name in names}
    spread = {}
    for figure in next(iter(rows.values()), {}):
        values = [row[figure] for row in rows.values()]
        low, high, mean, deviation = min(values), max(values), statistics.fmean(values), statistics.pstdev(values)
        spread[figure] = {"mean": round(mean, 4), "min": low, "max": high, "sd": round(deviation, 4)}
    return {"dialogues": rows, "spread": spread}


class Bm25:
    """BM25 (k1 1.2, b 0.75) over texts."""

    def __init__(self, texts: Sequence[str], words: Callable[[str], list[str]]) -> None:
        self._words = words
        documents = [Counter(words(text)) for text in texts]
        self._sizes = [sum(one.values()) for one in documents]
        self._mean_size = sum(self._sizes) / max(1, len(texts)) or 1.0
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, counts in enumerate(documents):
            for word, count in counts.items():
                self._postings[word].append((index, count))

    def rank(self, query: str, k: int) -> list[int]:
        """Return the `k` best texts' indices."""
        scores: dict[int, float] = defaultdict(float)
        for word in set(self._words(query)):
            found = self._postings.get(word, [])
            rarity = math.log(1 + (len(self._sizes) - len(found) + 0.5) / (len(found) + 0.5))
            for index, count in found:
                scale = 1.2 * (0.25 + 0.75 * self._sizes[index] / self._mean_size)
                scores[index] += rarity * count * 2.2 / (count + scale)
        return sorted(scores, key=lambda index: (-scores[index], index))[:k]


def plain_words(text: str) -> list[str]:
    """Return the words as they stand, lower case."""
    return _WORD.findall(text.lower())


def stemmed_words(text: str) -> list[str]:
    """Return stems without stop words."""
    return [_STEM(word) for word in plain_words(text) if word not in _STOP]


def _share(ranks: Sequence[int], k: int) -> float:
    return sum(0 < rank <= k for rank in ranks) / len(ranks) if ranks else 0.0


def _mean(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return round(sum(map(value, results)) / len(results), 4) if results else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else 0.0
