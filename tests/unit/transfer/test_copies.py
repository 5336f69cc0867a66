"""Which cubes recipients get marked, and what the marked ones and the canaries look like."""

from __future__ import annotations

import json

import pytest

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1.cubes_pb2 import PortableCube, Unit, Vector
from memporium_platform.tracing.code import Profile
from memporium_platform.tracing.keys import TracingSecret
from memporium_services.transfer.app import copies
from memporium_services.transfer.app.copies import CopyMarks, SlotChoice
from memporium_services.transfer.app.marked_cubes import canary_cube, like_id, texts_of
from memporium_services.transfer.app.samples import is_tensor_file, texts_in
from memporium_services.transfer.ports.marking import Copy
from support import tensor_leaks

SECRET = TracingSecret(b"u" * 32)
COPY = Copy(
    bundle="orgs/press/bundles/b1",
    line="orgs/press/listings/facts",
    manifest_sha256="00",
    agreement="orgs/press/agreements/a1",
    recipient="orgs/reader",
)
SLOTTED = "I think we should probably talk about the movie; it's a lovely idea for the kids, number {}."


def document(text, name="cube-1"):
    portable = PortableCube(units=[Unit(text=text)], unit_vectors=[Vector(values=[1.0])])
    portable.cube.name = f"orgs/press/vaults/v/cubes/{name}"
    portable.cube.content_digest = "ab"
    portable.cube.payload.plaintext.document.text = text
    return portable


def cell():
    portable = PortableCube()
    portable.cube.name = "orgs/press/vaults/v/cubes/cell-1"
    mem_cell = portable.cube.payload.plaintext.mem_cell
    mem_cell.episode = "Ana said thanks for the awesome photo."
    fact = mem_cell.facts.add(
        text="Ana thinks it is an awesome photo.", context="Thanks! Ana thinks it is an awesome photo."
    )
    fact.claims.add(subject="ana", attribute="opinion", value="an awesome photo")
    mem_cell.foresight.add(text="Ana will probably buy some stuff.")
    mem_cell.sources.add(source="thanks", speaker="Awesome")
    return portable


def test_cubes_with_slots_and_tensors_are_wanted_and_counted_once():
    choice = SlotChoice()
    assert choice.wants(document(SLOTTED.format(1)))
    slots, words = choice.slots, choice.words
    assert slots >= 4
    assert words > 10
    choice.wants(document(SLOTTED.format(1), "cube-2"))
    assert choice.slots == slots
    activation = PortableCube(cube=cube_pb2.Cube(payload=cube_pb2.Payload(activation=cube_pb2.Activation())))
    assert choice.wants(activation)
    record = PortableCube(
        cube=cube_pb2.Cube(
            payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(record=cube_pb2.Record(json='{"a": "thanks"}')))
        )
    )
    assert not choice.wants(record)


def test_of_texts_without_a_slot_a_few_give_canaries_company():
    choice = SlotChoice()
    wanted = sum(choice.wants(document("Ein Satz ohne Marken.", f"cube-{number}")) for number in range(640))
    assert 15 < wanted < 80
    assert choice.slots == 0


def test_of_a_large_pack_a_part_is_marked_and_always_the_same(monkeypatch):
    monkeypatch.setattr(copies, "_PLENTY", 3)
    cubes = [document(SLOTTED.format(number), f"cube-{number}") for number in range(400)]
    first, again = SlotChoice(), SlotChoice()
    wanted = [first.wants(cube) for cube in cubes]
    assert wanted == [again.wants(cube) for cube in cubes]
    assert 25 < sum(wanted) < 90
    monkeypatch.setattr(copies, "_LARGE", 0)
    fewer = SlotChoice()
    assert sum([fewer.wants(cube) for cube in cubes]) <= 25


def _marks(copy=COPY, *, canary_count=0):
    return CopyMarks(SECRET, copy, Profile.PAIR, canary_count=canary_count)


def test_texts_are_marked_and_nothing_else():
    marks = _marks()
    before, portable = cell(), cell()
    (after,) = marks.cubes([portable])
    changed = {one.name for one, _ in after.cube.payload.plaintext.mem_cell.ListFields()}
    assert changed == {"episode", "facts", "foresight", "sources"}
    old, new = before.cube.payload.plaintext.mem_cell, after.cube.payload.plaintext.mem_cell
    assert new.facts[0].claims == old.facts[0].claims
    assert new.sources == old.sources
    others = [
        _marks(Copy(**{**{k: getattr(COPY, k) for k in COPY.__slots__}, "agreement": f"a{n}"})) for n in range(12)
    ]
    assert len({next(iter(each.cubes([cell()]))).cube.payload.plaintext.mem_cell.episode for each in others}) > 2
    text = document(SLOTTED.format(3))
    (marked,) = _marks().cubes([text])
    assert marked.units[0].text == marked.cube.payload.plaintext.document.text
    assert marked.unit_vectors
    assert not marked.cube.content_digest
    (again,) = _marks().cubes([document(SLOTTED.format(3))])
    assert again == marked


@pytest.mark.parametrize("like", [cell(), document(SLOTTED.format(1))], ids=["cell", "document"])
def test_a_canary_looks_like_a_cube_of_its_pack_and_tells_only_its_fact(like):
    made = canary_cube(like, "Ixvar keeps bees.", b"place")
    assert set(texts_of(made)) == {"Ixvar keeps bees."}
    assert made.cube.name != like.cube.name
    assert len(made.cube.name) >= len("orgs/press/vaults/v/cubes/cell-1")
    assert made == canary_cube(like, "Ixvar keeps bees.", b"place")
    assert not made.units
    assert not made.unit_vectors
    assert like_id("01m7zpwq7d3bz495dgf633zt3r", b"a") != like_id("01m7zpwq7d3bz495dgf633zt3r", b"b")


def test_a_copy_has_as_many_canaries_as_its_release_promises():
    marks = _marks(canary_count=7)
    assert marks.more() == ()
    marks.cubes([document(SLOTTED.format(number), f"cube-{number}") for number in range(3)])
    more = marks.more()
    assert len({one.cube.name for one in more}) == len(more) == 7
    none = _marks()
    none.cubes([document(SLOTTED.format(1))])
    assert none.more() == []


def test_files_are_marked_by_what_they_are():
    marks = _marks()
    for data in (tensor_leaks.adapter(), tensor_leaks.cache()):
        assert marks.file(PortableCube(), data) != data
    other = tensor_leaks.packed({"x": tensor_leaks.opened(tensor_leaks.cache())["layers.0.keys"]})
    assert marks.file(PortableCube(), other) == other
    assert len(marks.commitment) == 32


def test_samples_are_read_in_every_form():
    deep = json.dumps({"a": ["one", {"b": "two"}], "c": 3})
    assert texts_in(deep.encode()) == ["one", "two"]
    assert texts_in(b'{"t": "one"}\n{"t": "two"}\nthree') == ["one", "two", "three"]
    assert texts_in(b"plain [text\n{broken") == ["plain [text\n{broken"]
    assert texts_in(b"\xff\xfe") == ["\ufffd\ufffd"]
    assert texts_in(b'"a string"') == ['"a string"']
    assert texts_in(("[" * 5000).encode()) == ["[" * 5000]
    assert is_tensor_file(tensor_leaks.cache())
    assert not is_tensor_file(b"plain")
