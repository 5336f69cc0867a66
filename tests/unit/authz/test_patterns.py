import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.authz.patterns import (
    action_matches,
    generalisations,
    is_action_pattern,
    is_object_pattern,
    object_matches,
)


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("vault.cubes.get", "vault.cubes.get", True),
        ("vault.cubes.*", "vault.cubes.get", True),
        ("vault.*", "vault.cubes.get", True),
        ("*", "vault.cubes.get", True),
        ("vault.*.get", "vault.cubes.get", True),
        ("*.*.get", "vault.cubes.get", True),
        ("vault.*.get", "vault.cubes.create", False),
        ("vault.cubes.*", "vault.cubes", False),
        ("vault.cubes", "vault.cubes.get", False),
        ("vault.cub.*", "vault.cubes.get", False),
        ("*.get", "vault.cubes.get", False),
    ],
)
def test_action_patterns(pattern, action, matches):
    assert action_matches(pattern, action) is matches
    assert (pattern in generalisations(action)) is matches


PARTS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4)


@given(PARTS, st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4))
def test_generalisations_are_exactly_the_patterns_that_match(pattern, action):
    text, name = ".".join(pattern), ".".join(action)
    assert (text in generalisations(name)) is action_matches(text, name)


def test_an_endless_action_costs_little():
    assert generalisations(".".join("a" * 60)) == (".".join("a" * 60), "*")


@pytest.mark.parametrize("text", ["", ".", "a..b", "a b", "a.b-c", "a.b.c.d.e.f", "a.**", "a.b*"])
def test_no_action_pattern(text):
    assert not is_action_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "inside"),
    [
        ("*", True),
        ("orgs/acme", True),
        ("orgs/acme/*", True),
        ("orgs/acme/vaults/*/cubes/*", True),
        ("orgs/other/vaults/x", False),
        ("orgs/*/vaults/x", False),
        ("orgs/*", False),
        ("*/acme", False),
        ("orgs/acme/", False),
        ("orgs/acme/va*", False),
        ("orgs/acmes/*", False),
        ("", False),
    ],
)
def test_object_patterns_keep_their_organisation(pattern, inside):
    assert is_object_pattern(pattern, "acme") is inside


def test_object_matching():
    assert object_matches("*", "orgs/a")
    assert object_matches("orgs/a/*", "orgs/a/vaults/x")
    assert not object_matches("orgs/a/*", "orgs/a")
    assert object_matches("orgs/a/vaults/*/cubes", "orgs/a/vaults/x/cubes")
    assert not object_matches("orgs/a/vaults/*/cubes", "orgs/a/vaults/x/y/cubes")
