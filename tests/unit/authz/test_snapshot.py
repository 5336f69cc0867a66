from memporium_platform.authz.compile import Compiler
from memporium_platform.authz.entries import Condition, Grouping, OrgState, Rule
from memporium_platform.authz.snapshot import DEFAULT_DENY, Snapshot

ANN, EVE = "orgs/acme/principals/ann", "orgs/other/principals/eve"
CUBE = "orgs/acme/vaults/notes/cubes/a"


def snapshot(*entries):
    compiler = Compiler()
    compiler.update((str(number), entry) for number, entry in enumerate(entries))
    return compiler.snapshot(1)


def allow(subject, pattern="*", action="*", domain="acme", tests=()):
    return Rule(f"allow {subject} {action}", subject, domain, pattern, action, allow=True, tests=tests)


def deny(subject, pattern="*", action="*", domain="acme", tests=()):
    return Rule(f"deny {subject} {action}", subject, domain, pattern, action, allow=False, tests=tests)


def test_unknown_is_denied():
    assert Snapshot().decide(ANN, "acme", CUBE, "vault.cubes.get", {}) == (False, DEFAULT_DENY)


def test_deny_overrides_whatever_the_order():
    for rules in ((allow(ANN), deny(ANN, CUBE)), (deny(ANN, CUBE), allow(ANN))):
        assert snapshot(*rules).decide(ANN, "acme", CUBE, "vault.cubes.get", {}) == (False, f"deny {ANN} *")
        assert snapshot(*rules).decide(ANN, "acme", CUBE + "2", "vault.cubes.get", {})[0]


def test_a_shared_deny_overrides_a_domains_allow():
    found = snapshot(allow(ANN), deny(ANN, action="vault.*", domain="*"))
    assert not found.decide(ANN, "acme", CUBE, "vault.cubes.get", {})[0]
    assert found.decide(ANN, "acme", CUBE, "reader.memories.recall", {})[0]


def test_an_object_elsewhere_counts_as_the_domain_itself():
    found = snapshot(allow(ANN, "orgs/acme"), allow(ANN, "orgs/other/vaults/x"))
    assert found.decide(ANN, "acme", "orgs/other/vaults/x", "vault.vaults.get", {})[0]
    assert not snapshot(allow(ANN, "orgs/other/vaults/x")).decide(
        ANN, "acme", "orgs/other/vaults/x", "vault.vaults.get", {}
    )[0]
    assert not found.decide(ANN, "other", "orgs/other/vaults/x", "vault.vaults.get", {})[0]


def test_an_organisation_whose_name_begins_alike_is_another():
    found = snapshot(allow(ANN, "orgs/acme/*"))
    assert not found.decide(ANN, "acme", "orgs/acmes/vaults/x", "vault.vaults.get", {})[0]


def test_everybody_means_the_own_people_in_an_allow_and_all_in_a_deny():
    found = snapshot(allow("*"), allow(EVE))
    assert found.decide(ANN, "acme", CUBE, "a.b.c", {})[0]
    assert not snapshot(allow("*")).decide(EVE, "acme", CUBE, "a.b.c", {})[0]
    assert not snapshot(allow("*"), allow(EVE), deny("*")).decide(EVE, "acme", CUBE, "a.b.c", {})[0]


def test_a_test_that_is_not_understood_helps_nobody():
    odd = (Condition("weather", False, frozenset({"rain"})),)
    assert not snapshot(allow(ANN, tests=odd)).decide(ANN, "acme", CUBE, "a.b.c", {})[0]
    assert not snapshot(allow(ANN), deny(ANN, tests=odd)).decide(ANN, "acme", CUBE, "a.b.c", {})[0]


def test_long_role_chains_and_circles():
    chain = [Grouping(f"roles/r{number}", f"roles/r{number + 1}", "acme") for number in range(50)]
    circle = Grouping("roles/r50", "roles/r0", "acme")
    found = snapshot(Grouping(ANN, "roles/r0", "acme"), *chain, circle, allow("roles/r50"))
    assert found.decide(ANN, "acme", CUBE, "a.b.c", {})[0]
    assert not found.decide(ANN, "other", "orgs/other", "a.b.c", {})[0]


def test_explanation_names_all_rules_that_match():
    found = snapshot(Grouping(ANN, "roles/r", "acme"), allow("roles/r"), deny(ANN, CUBE, "a.b.*"), allow(EVE))
    assert {rule.id for rule in found.matched(ANN, "acme", CUBE, "a.b.c", {})} == {
        "allow roles/r *",
        f"deny {ANN} a.b.*",
    }
    assert found.subjects(ANN, "acme")[:2] == (ANN, "roles/r")
    assert found.subjects(ANN, "none")[0] == ANN


def test_invented_actions_do_not_fill_the_memory():
    found = snapshot(allow(ANN))
    for number in range(5000):
        assert found.decide(ANN, "acme", CUBE, f"a.b.c{number}", {})[0]
    assert len(found._remembered) <= 4096


def test_a_snapshot_does_not_change_when_the_next_is_made():
    compiler = Compiler()
    compiler.update([("org", OrgState("acme", active=True)), ("1", allow(ANN, CUBE)), ("2", allow(ANN, "orgs/acme/*"))])
    compiler.update([("g", Grouping(ANN, "roles/r", "acme"))])
    first = compiler.snapshot(1)
    compiler.update([("1", None), ("2", None), ("g", None), ("org", OrgState("acme", active=False))])
    second = compiler.snapshot(2)
    assert first.decide(ANN, "acme", CUBE, "a.b.c", {})[0]
    assert not second.decide(ANN, "acme", CUBE, "a.b.c", {})[0]
    assert first.orgs["acme"].active
    assert not second.orgs["acme"].active
    assert "roles/r" in first.subjects(ANN, "acme")
    assert "roles/r" not in second.subjects(ANN, "acme")


def test_small_changes_of_a_big_table_share_its_rest():
    rules = [(f"{number}", allow(ANN, f"orgs/acme/vaults/v{number}/*")) for number in range(100)]
    compiler = Compiler()
    compiler.update(rules)
    first = compiler.snapshot(1)
    compiler.update([("new", allow(EVE, "orgs/acme/vaults/v7/*")), ("3", None)])
    second = compiler.snapshot(2)
    assert not first.decide(EVE, "acme", "orgs/acme/vaults/v7/x", "a.b.c", {})[0]
    assert second.decide(EVE, "acme", "orgs/acme/vaults/v7/x", "a.b.c", {})[0]
    assert not second.decide(ANN, "acme", "orgs/acme/vaults/v3/x", "a.b.c", {})[0]
    assert (
        second.tables["acme"]._root.children["orgs"].children["acme"].children["vaults"].children["v9"]
        is (first.tables["acme"]._root.children["orgs"].children["acme"].children["vaults"].children["v9"])
    )
