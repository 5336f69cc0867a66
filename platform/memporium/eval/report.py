"""What a run's journal adds up to: measures by category, latencies, tokens and what they cost."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from memporium.eval import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.eval.journal import Journal

_PLACES = (1, 5, 10, 20)
# Measures in the order of a table.
COLUMNS = ("questions", "accuracy", "f1", "exact", "bleu1", "recall@5", "recall@10", "recall@20", "session@1")

# Tokens that a price is for, as in everybody's price list.
_PRICED = 1_000_000
_OF_ANSWERS = ("accuracy", "f1", "exact", "bleu1")


def result_of(
    journal: Journal, *, benchmark: str, prices: Mapping[str, tuple[float, float]], complete: bool
) -> dict[str, Any]:
    """Return the result of a run as one JSON object.

    Args:
        journal: The run's.
        benchmark: Its name.
        prices: By role (`answer`, `judge`) the price of a million tokens read and written.
        complete: All questions were asked.
    """
    recalled, answers = journal.all("recall"), journal.all("answer")
    verdicts, sessions = journal.all("verdict"), journal.all("session")
    measured = {key: _measured(one, answers.get(key), verdicts.get(key)) for key, one in recalled.items()}
    categories = sorted({one["category"] for one in recalled.values()})
    return {
        "benchmark": benchmark,
        "complete": complete,
        "settings": journal.get("run", "settings"),
        "overall": _mean(list(measured.values())),
        "categories": {
            category: _mean([measured[key] for key, one in recalled.items() if one["category"] == category])
            for category in categories
        },
        "by_evidence": _by_evidence(measured, recalled) if answers else {},
        "unjudged": sum(one["right"] is None for one in verdicts.values()),
        "sessions": len(sessions),
        "turns": sum(one["turns"] for one in sessions.values()),
        "remember_seconds": round(sum(one["seconds"] for one in sessions.values()), 2),
        "recall_seconds": _spread([one["seconds"] for one in recalled.values()]),
        "answer_seconds": _spread([one["seconds"] for one in answers.values()]),
        "judge_seconds": _spread([one["seconds"] for one in verdicts.values() if one["tokens_in"]]),
        "context_tokens": round(fmean(one["context_tokens"] for one in recalled.values()), 1) if recalled else 0,
        "tokens": {role: _tokens(list(found.values())) for role, found in (("answer", answers), ("judge", verdicts))},
        "cost": _cost({"answer": list(answers.values()), "judge": list(verdicts.values())}, prices),
    }


def _by_evidence(
    measured: Mapping[str, Mapping[str, float]], recalled: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Return how good answers are where all, some or none of the evidence stood in the context.

    Only for questions whose evidence is labelled and that have an answer.
    """
    rows: dict[str, list[dict[str, float]]] = {"all": [], "some": [], "none": []}
    for key, one in recalled.items():
        found = {name: measured[key][name] for name in _OF_ANSWERS if name in measured[key]}
        if one["evidence"] and found:
            places = [tuple(place) for place in one["found"]]
            held = metrics.recall_at(places, [tuple(place) for place in one["evidence"]], len(places))
            rows["all" if held == 1 else "some" if held else "none"].append(found)
    return {held: _mean(some) for held, some in rows.items() if some}


def _measured(
    recalled: dict[str, Any], answered: dict[str, Any] | None, verdict: dict[str, Any] | None
) -> dict[str, float]:
    found: dict[str, float] = {}
    places = [tuple(one) for one in recalled["found"]]
    if evidence := [tuple(one) for one in recalled["evidence"]]:
        for k in _PLACES:
            found[f"recall@{k}"] = metrics.recall_at(places, evidence, k)
        found["all@10"] = float(found["recall@10"] == 1)
        found["mrr"] = metrics.reciprocal_rank(places, evidence)
    if sessions := recalled["sessions"]:
        seen = list(dict.fromkeys(session for session, _turn in places))
        found["session@1"] = metrics.recall_at(seen, sessions, 1)
        found["session@3"] = metrics.recall_at(seen, sessions, 3)
    if answered is not None:
        found |= _of_answer(recalled, answered["text"])
    if verdict is not None and verdict["right"] is not None:
        found["accuracy"] = float(verdict["right"])
    return found


def _of_answer(recalled: dict[str, Any], text: str) -> dict[str, float]:
    if recalled["options"]:
        return {"accuracy": float(metrics.chosen(text, recalled["options"]) == recalled["answer"])}
    if recalled["unanswerable"]:
        # A judge's verdict takes its place, where there is one.
        return {"accuracy": float(metrics.says_unknown(text))}
    right = recalled["answer"]
    return {
        "f1": metrics.f1(text, right),
        "exact": float(metrics.exact(text, right)),
        "bleu1": metrics.bleu1(text, right),
    }


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each measure over the questions that have it, with their number."""
    found: dict[str, float] = {"questions": len(rows)}
    for name in sorted({name for row in rows for name in row}):
        values = [row[name] for row in rows if name in row]
        found[name] = round(fmean(values), 4)
        if len(values) < len(rows):
            found[f"{name}_of"] = len(values)
    return found


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 95, 99)}


def _tokens(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {name: sum(one[f"tokens_{name}"] for one in records) for name in ("in", "out")}


def _cost(records: Mapping[str, Sequence[Mapping[str, Any]]], prices: Mapping[str, tuple[float, float]]) -> Any:
    """Return what the tokens cost by role, and in all; {} without prices."""
    found = {}
    for role, (price_in, price_out) in prices.items():
        tokens = _tokens(records.get(role, []))
        found[role] = round((tokens["in"] * price_in + tokens["out"] * price_out) / _PRICED, 9)
    return {**found, "total": round(sum(found.values()), 9)} if found else {}
