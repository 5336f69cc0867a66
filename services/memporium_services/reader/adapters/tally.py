"""What language models had part in, as Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# Seconds; a rewriter waits 3 at most, a narrator on a small machine a minute.
_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)


class MetricsTally:
    """Counters of the reader; only where a model is configured do they move."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._episodes = Counter(
            "memporium_reader_episodes",
            "Episodes for which a language model was asked, by what made them and why its answer was not used.",
            ("path", "failure"),
            registry=registry,
        )
        self._facts = Counter(
            "memporium_reader_extracted_facts",
            "Facts that language models wrote, by outcome: kept, ungrounded, malformed.",
            ("outcome",),
            registry=registry,
        )
        self._rewritings = Counter(
            "memporium_reader_rewritings",
            "Questions that a language model was to rewrite, by why its answer was not used.",
            ("failure",),
            registry=registry,
        )
        self._judgings = Counter(
            "memporium_reader_judgings",
            "Questions whose best statements a language model was to judge, by why its answer was not used.",
            ("failure",),
            registry=registry,
        )
        self._tokens = Counter(
            "memporium_reader_model_tokens",
            "Tokens that language models read and wrote, as far as they tell.",
            ("use", "kind"),
            registry=registry,
        )
        self._seconds = Histogram(
            "memporium_reader_model_seconds",
            "Time until a language model's answer, or until none was waited for any longer.",
            ("use",),
            buckets=_BUCKETS,
            registry=registry,
        )

    def episode(self, *, path: str, failure: str) -> None:
        """Count an episode."""
        self._episodes.labels(path, failure).inc()

    def facts(self, *, outcome: str, count: int) -> None:
        """Count facts of a model."""
        self._facts.labels(outcome).inc(count)

    def answer(self, *, use: str, seconds: float) -> None:
        """Count an answer, or the wait for none."""
        self._seconds.labels(use).observe(seconds)

    def tokens(self, *, use: str, read: int, written: int) -> None:
        """Count tokens."""
        self._tokens.labels(use, "read").inc(read)
        self._tokens.labels(use, "written").inc(written)

    def rewriting(self, *, failure: str) -> None:
        """Count a question that a model was to rewrite."""
        self._rewritings.labels(failure).inc()

    def judging(self, *, failure: str) -> None:
        """Count a question whose statements a model was to judge."""
        self._judgings.labels(failure).inc()
