"""The snapshot answers as Casbin's own enforcer does; the benchmark asks 100,000 questions more."""

import pytest

from memporium_platform.authz.casbin_oracle import CasbinOracle
from memporium_platform.authz.entries import Grouping, Rule
from memporium_platform.authz.roles import policies_dir
from support.random_policies import compare

MODEL = policies_dir() / "model.conf"


def test_equal_to_casbin():
    result = compare(MODEL, sets=20, questions=100, seed=7)
    assert result.mismatches == 0
    assert result.allowed > 100
    assert result.denied_by_rule > 50


@pytest.mark.slow
def test_equal_to_casbin_on_a_hundred_thousand():
    assert compare(MODEL, sets=1000, questions=100, seed=8).mismatches == 0


def test_the_oracle_refuses_chains_that_casbin_cannot_follow():
    chain = [Grouping(f"roles/r{number}", f"roles/r{number + 1}", "acme") for number in range(500)]
    with pytest.raises(ValueError, match="roles"):
        CasbinOracle(MODEL, [Rule("1", "roles/r500", "acme", "*", "*", allow=True)], chain, domains=("acme",))
