from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from memporium_platform.licence.evaluate import Use, Verdict, ends_at, evaluate
from memporium_platform.licence.meet import meet_constraints
from memporium_platform.licence.terms import Action, Constraints, Form, Terms, Window
from support.licences import BEGIN, constraints, terms, uses

READ = (Action.READ, Form.PLAINTEXT)
USE = Use(Action.READ, Form.PLAINTEXT, now=BEGIN + timedelta(days=1), activated=BEGIN)


def _with(**fields):
    return Terms({READ: Constraints(**fields)})


def test_what_no_rule_permits_is_denied():
    decision = evaluate(Terms({}), USE)
    assert (decision.verdict, decision.term) == (Verdict.DENIED, "permissions")
    assert evaluate(Terms({READ: Constraints()}), USE).permitted
    assert not evaluate(Terms({READ: Constraints()}), replace(USE, form=Form.PARAMETER)).permitted


@pytest.mark.parametrize(
    ("fields", "use", "verdict", "term"),
    [
        ({"purposes": frozenset({"a"})}, {}, Verdict.UNKNOWN, "purposes"),
        ({"purposes": frozenset({"a"})}, {"purpose": "b"}, Verdict.DENIED, "purposes"),
        ({"purposes": frozenset({"a"})}, {"purpose": "a"}, Verdict.PERMITTED, ""),
        ({"purposes": frozenset()}, {"purpose": "a"}, Verdict.DENIED, "purposes"),
        ({"purposes": frozenset()}, {}, Verdict.DENIED, "purposes"),
        ({"regions": frozenset({"eu"})}, {"region": "us"}, Verdict.DENIED, "regions"),
        ({"regions": frozenset({"eu"})}, {}, Verdict.UNKNOWN, "regions"),
        ({"workloads": frozenset({"w"})}, {"workload": "v"}, Verdict.DENIED, "workloads"),
        ({"recipients": frozenset({"r"})}, {}, Verdict.PERMITTED, ""),
        ({"recipients": frozenset({"r"})}, {"off_platform": True}, Verdict.UNKNOWN, "recipients"),
        ({"recipients": frozenset({"r"})}, {"recipients": frozenset({"s"})}, Verdict.DENIED, "recipients"),
        ({"on_platform_only": True}, {}, Verdict.PERMITTED, ""),
        ({"on_platform_only": True}, {"off_platform": True}, Verdict.DENIED, "on_platform_only"),
        ({"min_aggregation": 2}, {}, Verdict.UNKNOWN, "min_aggregation"),
        ({"min_aggregation": 2}, {"memories": 1}, Verdict.DENIED, "min_aggregation"),
        ({"min_aggregation": 2}, {"memories": 2}, Verdict.PERMITTED, ""),
        ({"unknown": True}, {}, Verdict.UNKNOWN, "constraints"),
        ({"unknown": True, "regions": frozenset({"eu"})}, {"region": "us"}, Verdict.DENIED, "regions"),
    ],
)
def test_each_constraint(fields, use, verdict, term):
    decision = evaluate(_with(**fields), replace(USE, **use))
    assert (decision.verdict, decision.term) == (verdict, term)


def test_exporting_what_stays_on_the_platform_is_denied():
    rules = {(Action.EXPORT_BUNDLE, Form.PLAINTEXT): Constraints(on_platform_only=True)}
    assert evaluate(Terms(rules), replace(USE, action=Action.EXPORT_BUNDLE)).term == "on_platform_only"


def test_the_window_is_open_at_its_start_and_closed_at_its_end():
    window = Window(start=BEGIN, end=BEGIN + timedelta(days=2), duration=timedelta(days=1))
    inside = [evaluate(_with(window=window), replace(USE, now=BEGIN + delta)).permitted for delta in _around()]
    assert inside == [False, True, True, False, False]
    assert ends_at(window, BEGIN) == BEGIN + timedelta(days=1)
    assert ends_at(Window(), BEGIN) is None


def _around():
    tick = timedelta(microseconds=1)
    return [-tick, timedelta(), timedelta(days=1) - tick, timedelta(days=1), timedelta(days=3)]


@given(terms, uses)
def test_terms_that_cannot_be_read_permit_nothing(some, use):
    assert not evaluate(replace(some, unknown=True), use).permitted


@given(terms, constraints, uses)
def test_a_constraint_more_never_permits_more(some, more, use):
    tightened = replace(some, rules={pair: meet_constraints(rule, more) for pair, rule in some.rules.items()})
    if evaluate(tightened, use).permitted:
        assert evaluate(some, use).permitted
