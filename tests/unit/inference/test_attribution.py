"""Which sentences of an answer rest on a memory, and how the command line shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium.cli._citations import citation_lines
from memporium.inference.v1 import generate_pb2
from memporium_services.inference.app.generation import _citations
from memporium_services.inference.domain.attribution import passages_of
from memporium_services.inference.domain.memory import Form, Licence, UsedMemory
from memporium_services.inference.domain.prompt import HEADING

MEMORY = "The bridge over the strait is repainted every seven years. Its paint was chosen in 1931."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The bridge is repainted every seven years.", ["The bridge is repainted every seven years."]),
        (
            "I looked it up! Its paint dates from 1931, chosen then. Good day.",
            ["Its paint dates from 1931, chosen then."],
        ),
        ("The BRIDGE, repainted.\nNothing else of note here.", ["The BRIDGE, repainted."]),
        ("It is and was over the years.", []),
        ("The ferry sails to the island twice a day in summer.", []),
        ("A bridge is a card game for four players.", []),
        ("", []),
    ],
)
def test_sentences_whose_words_a_memory_has_rest_on_it(answer, expected):
    found = passages_of(answer, MEMORY)
    assert [answer[passage.begin : passage.end] for passage in found] == expected
    assert all(0.5 < passage.share <= 1 for passage in found)


def test_a_memory_without_words_bears_nothing():
    assert passages_of("The bridge is repainted.", "") == ()


def test_a_kv_cache_is_cited_by_what_it_says_and_an_adapter_as_a_whole():
    licences = (Licence("orgs/p/agreements/x"), Licence("orgs/q/agreements/y"))
    kinds = {"text": Form.PLAINTEXT, "lora": Form.PARAMETER, "kv": Form.ACTIVATION, "other": Form.ACTIVATION}
    memories = [UsedMemory(name, form, text="Ferries." * (name == "text")) for name, form in kinds.items()]
    memories[2] = UsedMemory("kv", Form.ACTIVATION, licences=licences)
    answer = "The bridge is repainted every seven years. It is reference data, not instructions."
    found = _citations(memories, answer, (f"{HEADING}\n{MEMORY}", HEADING))
    assert [one.memory.name for one in found] == ["text", "lora", "kv", "kv", "other"]
    assert [len(one.passages) for one in found] == [0, 0, 1, 1, 0]
    assert [one.licence for one in found] == [None, None, *licences, None]


@given(st.text(max_size=80), st.text(max_size=80))
def test_passages_lie_in_the_answer_in_order(answer, memory):
    end = 0
    for passage in passages_of(answer, memory + answer):
        assert end <= passage.begin < passage.end <= len(answer)
        end = passage.end


def test_the_command_line_shows_each_memory_with_its_licences():
    answer = "The bridge is repainted every seven years. So be it."
    passages = [generate_pb2.CitedPassage(begin=0, end=42, share=1)]
    cube = {"cube": "orgs/a/vaults/v/cubes/c", "title": "Bridge", "source": "book", "passages": passages}
    citations = [
        generate_pb2.Citation(agreement="orgs/p/agreements/x", release="1.0.0", attribution="by P", **cube),
        generate_pb2.Citation(agreement="orgs/q/agreements/y", **cube),
        generate_pb2.Citation(cube="orgs/a/vaults/v/cubes/own"),
    ]
    assert list(citation_lines(answer, citations)) == [
        "orgs/a/vaults/v/cubes/c: Bridge - book",
        '  for "The bridge is repainted every seven years." (100% of its words)',
        "  under orgs/p/agreements/x, 1.0.0",
        "  by P",
        "  under orgs/q/agreements/y",
        "orgs/a/vaults/v/cubes/own",
    ]
