import pytest

from memporium.governance.v1 import policy_pb2, watch_pb2
from memporium_platform.authz.casbin_rows import rule_from_row, rule_to_row
from memporium_platform.authz.entries import (
    Condition,
    Credential,
    Grouping,
    IssuerState,
    OrgState,
    PrincipalState,
    Rule,
)
from memporium_platform.authz.wire import entry_from_wire, entry_to_wire
from memporium_platform.call import PrincipalKind

TESTS = (
    Condition("purpose", True, frozenset({"a", "b"})),
    Condition("region", False, frozenset({"eu"})),
)
ENTRIES = [
    OrgState("acme", active=True),
    PrincipalState("orgs/acme/principals/ann", "acme", PrincipalKind.WORKLOAD, disabled=True),
    Credential("k", "orgs/acme/principals/ann", b"x" * 32, expire_us=1_900_000_000_000_001, revoked=True),
    Credential("k", "orgs/acme/principals/ann", b"x" * 32),
    IssuerState("acme", "idp", "https://idp", "aud", "{}", ("EdDSA", "ES256"), "email"),
    Grouping("orgs/acme/principals/ann", "roles/member", "acme"),
    Rule("id", "roles/member", "acme", "orgs/acme/*", "vault.*", allow=False, tests=TESTS),
    Rule("id", "*", "*", "*", "*", allow=True),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_entries_survive_the_wire(entry):
    message = entry_to_wire("key", entry)
    assert message.key == "key"
    assert entry_from_wire(watch_pb2.AuthorizationEntry.FromString(message.SerializeToString())) == entry


def test_a_removed_entry_is_empty():
    assert entry_from_wire(entry_to_wire("key", None)) is None


def test_an_operator_of_a_newer_version_helps_no_allow():
    message = entry_to_wire("key", ENTRIES[-1])
    message.policy.conditions.add(attribute="purpose", operator=99, values=["a"])
    rule = entry_from_wire(message)
    assert not rule.passes({"purpose": "a"})
    message.policy.effect = policy_pb2.POLICY_EFFECT_DENY
    assert entry_from_wire(message).passes({"purpose": "b"})


def test_rules_survive_casbins_table():
    rule = ENTRIES[6]
    assert rule_from_row("id", rule_to_row(rule)) == rule
    assert rule_from_row("id", (*rule_to_row(rule)[:5], "allow")).allow
    assert not rule_from_row("id", (*rule_to_row(rule)[:5], "sometimes")).allow
