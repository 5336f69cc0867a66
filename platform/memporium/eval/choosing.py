"""Which questions of a benchmark are asked."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from memporium.eval.samples import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from memporium.eval.samples import Sample


@dataclass(frozen=True, slots=True)
class Selection:
    """Which questions.

    Attributes:
        categories: Only these kinds; empty: all.
        samples: Only the first samples; 0: all.
        questions: Only so many, drawn evenly from the kinds and then from the samples, the same ones each time; 0: all.
    """

    categories: frozenset[str] = frozenset()
    samples: int = 0
    questions: int = 0

    def of(self, load: Callable[[], Iterable[Sample]]) -> Iterator[Sample]:
        """Yield the samples with the questions that are asked; those without any are left out.

        Args:
            load: Reads the file from its beginning; a draw reads it twice, so that it is never in memory as a whole.

        Raises:
            FormatError: An id is there twice, or no question is left.
        """
        drawn = _drawn(self._wanted(load()), self.questions) if self.questions else None
        yield from self._wanted(load(), drawn)

    def _wanted(self, found: Iterable[Sample], drawn: Collection[str] | None = None) -> Iterator[Sample]:
        seen: set[str] = set()
        categories: set[str] = set()
        asked = 0
        for sample in islice(found, self.samples or None):
            # A journal knows them by their ids.
            for name in (f"sample {sample.id}", *(f"question {one.id}" for one in sample.questions)):
                if name in seen:
                    raise FormatError(f"{name} is there twice")
                seen.add(name)
            categories.update(one.category for one in sample.questions)
            questions = tuple(
                one
                for one in sample.questions
                if (not self.categories or one.category in self.categories) and (drawn is None or one.id in drawn)
            )
            asked += len(questions)
            if questions:
                yield replace(sample, questions=questions)
        if not asked:
            kinds = f" of these kinds; it has {', '.join(sorted(categories))}" if categories else ""
            raise FormatError(f"holds no question{kinds}")


def _drawn(samples: Iterable[Sample], count: int) -> frozenset[str]:
    """Return the ids of so many questions: of each kind the same number, of each kind as many samples as there are.

    By digests of the ids, so that a draw is the same everywhere, and a greater one holds the smaller ones.
    """
    by_kind: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for sample in samples:
        kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for one in sample.questions:
            kinds[one.category].append((hashlib.sha256(one.id.encode()).hexdigest(), one.id))
        for kind, some in kinds.items():
            by_kind[kind] += [(place, *one) for place, one in enumerate(sorted(some))]
    in_turn = [
        (place, kind, name)
        for kind, some in by_kind.items()
        for place, (_in_sample, _digest, name) in enumerate(sorted(some))
    ]
    return frozenset(name for _place, _kind, name in sorted(in_turn)[:count])
