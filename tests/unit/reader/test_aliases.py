"""Which names mean the same subject."""

from __future__ import annotations

import pytest

from memporium_services.reader.domain.aliases import aliases, other_keys


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["ana", "ana ruiz"], {"ana": "ana ruiz"}),
        (["ana", "ana ruiz", "ana lopez"], {}),
        (["ana", "ana's sister"], {}),
        (["apollo", "project apollo"], {"apollo": "project apollo"}),
        (["apollo", "project apollo", "apollo creed"], {}),
        ([], {}),
    ],
)
def test_a_short_name_means_the_only_longer_one(names, found):
    assert aliases(names) == found


def test_claims_stand_under_both_names():
    longer = {"ana": "ana ruiz"}
    assert other_keys("ana/home", longer) == ["ana ruiz/home"]
    assert other_keys("ana ruiz/home", longer) == ["ana/home"]
    assert other_keys("ben/home", longer) == []
