"""Names across platforms: every name has one meaning on each, and what is signed is never rewritten."""

import pytest

from memporium_platform.errors import PlatformError
from memporium_platform.names import AGREEMENT, ORG, check_id, org_of
from memporium_services.memstore.domain.peering import names


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("orgs/press/listings/guide", "orgs/press.north/listings/guide"),
        ("orgs/press", "orgs/press.north"),
        ("orgs/globex.south/negotiations/1", "orgs/globex/negotiations/1"),
        ("orgs/other.west/listings/guide", "orgs/other.west/listings/guide"),
        ("", ""),
        ("services/memstore", "services/memstore"),
    ],
)
def test_a_name_of_the_providers_platform_as_the_consumers_writes_it(there, here):
    assert names.to_here(there, platform="south", peer="north") == here
    assert names.to_there(here, platform="south", peer="north") == there


def test_every_name_in_a_body_is_translated_and_nothing_else():
    body = {
        "name": "orgs/press/agreements/1",
        "parties": ["orgs/press", "orgs/globex.south"],
        "number": 7,
        "text": "press",
    }
    assert names.all_here(body, platform="south", peer="north") == {
        "name": "orgs/press.north/agreements/1",
        "parties": ["orgs/press.north", "orgs/globex"],
        "number": 7,
        "text": "press",
    }


def test_an_organisation_of_another_platform_has_a_name_that_nobody_here_can_choose():
    assert ORG.parse("orgs/press.north")["org"] == "press.north"
    assert org_of("orgs/press.north/vaults/x") == "press.north"
    with pytest.raises(PlatformError):
        check_id("press.north", "organisation_id")


@pytest.mark.parametrize("name", ["orgs/a.b.c", "orgs/.north", "orgs/press.", "orgs/press..north", "orgs/press.North"])
def test_no_other_dots_are_names(name):
    assert ORG.match(name) is None
    assert not org_of(name)


def test_only_the_organisation_may_hold_a_dot():
    assert AGREEMENT.match("orgs/press.north/agreements/a.b") is None
