"""Hypothesis strategies for licence terms and uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from memporium_platform.licence.evaluate import Use
from memporium_platform.licence.terms import (
    Action,
    Constraints,
    Duty,
    DutyKind,
    Form,
    Period,
    Quota,
    Rate,
    Terms,
    Unit,
    Window,
    least_quotas,
    least_rates,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
times = st.integers(-5, 40).map(lambda days: BEGIN + timedelta(days=days))
words = st.sampled_from(["a", "b", "c"])
sets = st.none() | st.frozensets(words)
windows = st.builds(
    Window,
    start=st.none() | times,
    end=st.none() | times,
    duration=st.none() | st.integers(1, 40).map(lambda days: timedelta(days=days)),
)
quotas = st.builds(
    Quota,
    unit=st.sampled_from(Unit),
    period=st.sampled_from(Period),
    pool=words,
    limit=st.integers(0, 5),
)
constraints = st.builds(
    Constraints,
    window=windows,
    purposes=sets,
    regions=sets,
    workloads=sets,
    recipients=sets,
    quotas=st.frozensets(quotas, max_size=4).map(least_quotas),
    rates=st.frozensets(st.builds(Rate, st.integers(1, 60), st.integers(0, 5)), max_size=2).map(least_rates),
    max_concurrency=st.none() | st.integers(1, 5),
    min_aggregation=st.integers(0, 3),
    on_platform_only=st.booleans(),
    unknown=st.booleans(),
)
holds = st.none() | st.integers(1, 100).map(lambda days: timedelta(days=days))
seated = st.tuples(st.integers(1, 5), holds) | st.just((None, None))
constraints = st.builds(lambda rule, seats: replace(rule, max_seats=seats[0], seat_hold=seats[1]), constraints, seated)
pairs = st.tuples(st.sampled_from([Action.READ, Action.INFER_WITH, Action.REDISTRIBUTE]), st.sampled_from(Form))
terms = st.builds(
    Terms,
    rules=st.dictionaries(pairs, constraints, max_size=4),
    duties=st.frozensets(st.builds(Duty, st.sampled_from(DutyKind), words), max_size=3),
    spdx=st.frozensets(words, max_size=2),
    legal_texts=st.frozensets(st.sampled_from(["0" * 64, "1" * 64]), max_size=2),
    unknown=st.booleans(),
)
uses = st.builds(
    Use,
    action=st.sampled_from([Action.READ, Action.INFER_WITH, Action.REDISTRIBUTE, Action.DERIVE_LORA]),
    form=st.sampled_from(Form),
    now=times,
    activated=st.just(BEGIN),
    purpose=st.sampled_from(["", "a", "b", "c"]),
    region=st.sampled_from(["", "a", "b"]),
    workload=st.sampled_from(["", "a", "b"]),
    recipients=st.frozensets(words, max_size=2),
    off_platform=st.booleans(),
    memories=st.none() | st.integers(0, 4),
)
