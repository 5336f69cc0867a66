import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_services.reader.domain.answers import MOST_CHARS, AnswerError, Draft, read_queries, read_telling

FACT = {"fact": "Ada baked rye bread.", "turns": [1, 2, 1]}


def test_an_answer_is_read_out_of_what_stands_around_it():
    answer = (
        "Sure!\n```json\n" + json.dumps({"episode": " Ada\nbaked. ", "facts": [FACT, FACT]}) + "\n```\nAnything else?"
    )
    found = read_telling(answer)
    assert found.episode == "Ada\nbaked."
    assert found.drafts == (Draft("Ada baked rye bread.", (1, 2)),)


@pytest.mark.parametrize(
    "fact",
    [
        "Ada baked.",
        {"fact": "Ada baked rye bread."},
        {"fact": "Ada baked rye bread.", "turns": []},
        {"fact": "Ada baked rye bread.", "turns": [True]},
        {"fact": "Ada baked rye bread.", "turns": ["first"]},
        {"fact": "Ada baked rye bread.", "turn": None},
        {"fact": "Ada baked rye bread.", "turns": list(range(9))},
        {"fact": 7, "turns": [1]},
        {"fact": "x", "turns": [1]},
        {"fact": "x" * 401, "turns": [1]},
        None,
    ],
)
def test_a_malformed_fact_is_dropped_alone_and_counted(fact):
    found = read_telling(json.dumps({"episode": "", "facts": [fact, FACT]}))
    assert (len(found.drafts), found.malformed) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no_json"),
        ("I cannot help with that.", "no_json"),
        ('{"episode": "half', "bad_json"),
        ('{"episode": "a", "episode": "b"}', "bad_json"),
        ('{"episode": NaN}', "bad_json"),
        ('{"episode": "line\nend"}', "bad_json"),
        ("{'episode': 'single'}", "bad_json"),
        ('{"episode": 3}', "shape"),
        ('{"facts": {}}', "shape"),
        ("{}", "shape"),
        ('{"facts": ' + "[" * 30_000 + "]" * 30_000 + "}", "bad_json"),
        ('{"n": ' + "9" * 5_000 + ', "episode": "x"}', "bad_json"),
        ("{" + " " * MOST_CHARS, "too_long"),
    ],
)
def test_what_is_not_json_to_the_letter_is_refused_whole(answer, reason):
    with pytest.raises(AnswerError, match=reason):
        read_telling(answer)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_text_whatever_raises_anything_else(text):
    for read in (read_telling, partial(read_telling, cut=True), lambda answer: read_queries(answer, "q")):
        for answer in (
            text,
            "{" + text + "}",
            '{"facts": [' + text,
            json.dumps({"episode": text, "facts": [text], "queries": [text]}),
        ):
            try:
                read(answer)
            except AnswerError:
                continue


@pytest.mark.parametrize("number", [1, "1", "[1]", [1], ["1"]])
@pytest.mark.parametrize("key", ["turn", "turns"])
def test_the_number_of_a_turn_is_read_as_small_models_write_it(key, number):
    found = read_telling(json.dumps({"facts": [{key: number, "fact": "Ada baked rye bread."}]}))
    assert (found.drafts, found.malformed) == ((Draft("Ada baked rye bread.", (1,)),), 0)


def test_of_an_answer_that_was_cut_off_the_whole_facts_are_read():
    whole = json.dumps({"facts": [FACT, {"turn": 3, "fact": "Ben ate of it."}], "episode": "Ada baked."})
    begun = whole.index('"Ben')
    for end in range(len(whole)):
        try:
            found = read_telling(whole[:end], cut=True)
        except AnswerError:
            assert end < whole.index("}") + 1
            continue
        assert found.drafts[0] == Draft("Ada baked rye bread.", (1, 2))
        assert len(found.drafts) == (1 if end < whole.index("}", begun) + 1 else 2)
        assert found.episode == ""
    with pytest.raises(AnswerError, match="bad_json"):
        read_telling(whole[:-1])
    assert read_telling(whole, cut=True).episode == "Ada baked."


def test_queries_are_few_short_and_new():
    given_ = ["What is Ada's dog called?", "ada dog name", "", "  Ada's pet\n ", "x" * 300, "one more", "and more"]
    assert read_queries(json.dumps({"queries": given_}), "what is ada's dog called?") == (
        "ada dog name",
        "Ada's pet",
        "one more",
    )


@pytest.mark.parametrize("queries", [[], ["same?"], [3], "text", None, [""]])
def test_no_usable_query_is_a_refusal(queries):
    with pytest.raises(AnswerError, match="shape"):
        read_queries(json.dumps({"queries": queries}), "Same?")
