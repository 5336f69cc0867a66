from __future__ import annotations

from hypothesis import given

from memporium_platform.licence.evaluate import evaluate
from memporium_platform.licence.meet import meet, meet_all
from memporium_platform.licence.terms import Action, Constraints, Form, Period, Quota, Terms, Unit
from support.licences import terms, uses


@given(terms, terms)
def test_meet_is_commutative(left, right):
    assert meet(left, right) == meet(right, left)


@given(terms, terms, terms)
def test_meet_is_associative(one, two, three):
    assert meet(meet(one, two), three) == meet(one, meet(two, three))


@given(terms)
def test_meet_is_idempotent(one):
    assert meet(one, one) == one


@given(terms, terms, uses)
def test_a_parent_more_never_permits_more(left, right, use):
    if evaluate(meet(left, right), use).permitted:
        assert evaluate(left, use).permitted
        assert evaluate(right, use).permitted


@given(terms, terms, uses)
def test_what_both_parents_permit_the_meet_permits(left, right, use):
    if evaluate(left, use).permitted and evaluate(right, use).permitted:
        assert evaluate(meet(left, right), use).permitted


@given(terms, terms)
def test_duties_unite_and_quotas_take_the_least(left, right):
    both = meet(left, right)
    assert both.duties == left.duties | right.duties
    for pair, rule in both.rules.items():
        for quota in rule.quotas:
            same = [
                each.limit
                for parent in (left, right)
                for each in parent.rules[pair].quotas
                if (each.unit, each.period, each.pool) == (quota.unit, quota.period, quota.pool)
            ]
            assert quota.limit == min(same)


def test_a_derived_memory_may_not_be_passed_on_where_one_parent_may_not():
    free = Terms({(Action.READ, Form.PLAINTEXT): Constraints(), (Action.REDISTRIBUTE, Form.PLAINTEXT): Constraints()})
    bound = Terms({(Action.READ, Form.PLAINTEXT): Constraints(quotas=frozenset({_quota(50)}))})
    tighter = Terms({(Action.READ, Form.PLAINTEXT): Constraints(quotas=frozenset({_quota(5)}))})
    derived = meet_all([free, bound, tighter])
    assert derived is not None
    assert set(derived.rules) == {(Action.READ, Form.PLAINTEXT)}
    assert derived.rules[Action.READ, Form.PLAINTEXT].quotas == {_quota(5)}


def test_own_memory_has_no_terms():
    assert meet_all([]) is None


def _quota(limit: int) -> Quota:
    return Quota(Unit.CALLS, Period.AGREEMENT, "all", limit)
