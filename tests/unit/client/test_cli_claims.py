"""What the command line says of claims, and of conflicts among what was recalled."""

from __future__ import annotations

import pytest

from memporium.cli import _recollection
from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import claims_pb2, recall_pb2
from memporium.sources import documents, turns


def reference(value, trust, citation=0):
    return claims_pb2.ClaimReference(
        cube="orgs/a/vaults/v/cubes/c", unit=2, value=value, trust=trust, citation=citation
    )


def status(**more):
    claim = cube_pb2.Claim(subject="ada", attribute="home", value="Oslo", ended=more.pop("ended", False))
    return claims_pb2.ClaimStatus(claim=claim, **more)


def test_a_recalled_item_tells_what_supersedes_and_contradicts_it(capsys):
    item = recall_pb2.RecallItem(citation=1, text="Ada: I live in Oslo.", cube="c")
    item.claims.append(status(superseded_by=[reference("Bergen", 0.9, 2)]))
    item.claims.append(status(in_conflict_with=[reference("Paris", 0.5)], most_trusted=True))
    item.claims.append(status(supersedes=[reference("Rome", 0.9)]))
    _recollection.show_item(item)
    shown = capsys.readouterr().out
    assert "superseded by [2]: Bergen, trust 0.90" in shown
    assert "in conflict with (trusted less) orgs/a/vaults/v/cubes/c #2: Paris, trust 0.50" in shown
    # What it supersedes alone is no news.
    assert "Rome" not in shown


@pytest.mark.parametrize(("ended", "value"), [(False, "Oslo"), (True, "no longer Oslo")])
def test_a_claim_is_shown_with_its_value(capsys, ended, value):
    _recollection.show_status(status(ended=ended), of="c #0", trust=0.9)
    assert f"ada, home: {value}\n" in capsys.readouterr().out


def test_trust_goes_with_the_header():
    [header] = documents.requests("v", [], trust=0.4)
    assert header.header.trust == 0.4
    [untold] = documents.requests("v", [])
    assert not untold.header.HasField("trust")
    session = turns.Session("s", None, ())
    [told] = turns.requests("v", session, trust={"tool": 0.3})
    assert dict(told.header.trust) == {"tool": 0.3}
