import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.cleaning import clean, clean_line, clean_text
from memporium_services.reader.domain.documents import MARKDOWN, PLAIN, Source, passages, read
from memporium_services.reader.domain.entities import entities
from memporium_services.reader.domain.facts import MOST_CHARS, facts_of
from memporium_services.reader.domain.foresight import prospects_of, valid_at
from memporium_services.reader.domain.formation import form
from memporium_services.reader.domain.segmentation import Limits, segment
from memporium_services.reader.domain.sentences import pieces, sentences
from memporium_services.reader.domain.values import Turn

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


def turn(text, *, number=0, speaker="Ada", minutes=0.0, caption=""):
    return Turn(f"t{number}", speaker, "", text, MONDAY + timedelta(minutes=minutes), caption)


def dialogue(*texts, gap=1.0):
    return [turn(text, number=number, minutes=number * gap) for number, text in enumerate(texts)]


def test_a_fact_tells_who_said_what_when():
    turns = dialogue("Hi!", "I saw her yesterday at the quay.", "Oh?")
    (fact,) = facts_of(turns, 1, source="s1")
    assert fact.text == "Ada: I saw her yesterday at the quay. (8 May 2023; yesterday = 7 May 2023)"
    assert (fact.span.source, fact.span.locator, fact.span.speaker) == ("s1", "t1", "Ada")
    assert fact.context.split("\n") == ["Ada: Hi! (8 May 2023)", fact.text, "Ada: Oh? (8 May 2023)"]


def test_a_context_reaches_two_turns_each_way():
    turns = dialogue(*(f"word{number}" for number in range(7)))
    (fact,) = facts_of(turns, 3, source="s")
    assert [f"word{number}" in fact.context for number in range(7)] == [False, True, True, True, True, True, False]


def test_a_shared_picture_is_part_of_what_was_said():
    (fact,) = facts_of([turn("", caption="a photo of a greyhound")], 0, source="s")
    assert fact.text.startswith("Ada: [shares a photo of a greyhound] (8 May")


def test_a_huge_turn_becomes_several_bounded_facts_and_loses_no_word():
    text = " ".join(f"w{number}" for number in range(5_000))
    facts = facts_of([turn(text)], 0, source="s")
    assert len(facts) > 10
    assert all(len(fact.text) < MOST_CHARS + 100 for fact in facts)
    assert " ".join(fact.text.removeprefix("Ada: ").rsplit(" (", 1)[0] for fact in facts) == text


def test_an_empty_turn_leaves_no_fact():
    assert facts_of(dialogue("Hi", ""), 1, source="s") == []


@given(
    st.lists(st.tuples(st.text(max_size=80), st.floats(0, 90)), max_size=60),
    st.integers(2, 12),
)
def test_segments_are_the_turns_in_order_and_hold_the_limits(said, most_turns):
    moment, turns = 0.0, []
    for number, (text, gap) in enumerate(said):
        moment += gap
        turns.append(turn(text, number=number, minutes=moment))
    limits = Limits(most_turns=most_turns, most_chars=200)
    found = segment(turns, limits)
    assert [one for part in found for one in part] == turns
    for part in found:
        assert 1 <= len(part) <= most_turns
        assert len(part) == 1 or sum(len(one.body) for one in part) <= 200
        gaps = [later.time - earlier.time for earlier, later in itertools.pairwise(part)]
        assert all(gap <= limits.gap for gap in gaps)


def test_a_silence_and_a_new_topic_end_an_episode():
    cooking = ["We bake bread with rye flour and salt.", "The rye bread needs more flour and salt."] * 4
    space = ["The rocket launched a satellite to orbit.", "That satellite orbit needs a bigger rocket."] * 4
    by_topic = segment(dialogue(*cooking, *space))
    assert [len(part) for part in by_topic] == [8, 8]
    quiet = [
        replace(one, time=one.time + timedelta(hours=3 * (number > 2))) for number, one in enumerate(dialogue(*cooking))
    ]
    assert [len(part) for part in segment(quiet)] == [3, 5]


def test_the_same_dialogue_always_makes_the_same_episodes():
    turns = dialogue("I met Clara in Porto.", "Next week we're going to Faro.")
    one, again = form(turns, session="s"), form(turns, session="s")
    assert one == again
    assert one[0].cube_id != form(turns, session="other")[0].cube_id
    assert one[0].cube_id != form(turns, session="s", scope="work")[0].cube_id
    assert one[0].entities == ("Ada", "Clara", "Porto", "Faro")
    assert one[0].text.startswith("On 8 May 2023, 13:56:\nAda: I met Clara in Porto.")
    assert "Next week = 15 to 21 May 2023" in one[0].text


def test_only_fresh_turns_become_episodes_and_the_others_are_context():
    turns = dialogue("One apple.", "Two pears.", "Three plums.")
    (episode,) = form(turns, session="s", fresh={"t2"})
    assert [span.locator for span in episode.spans] == ["t2"]
    assert "Two pears" in episode.facts[0].context


def test_plans_hold_until_their_day_is_over():
    found = prospects_of(turn("Tomorrow I'm going to see the dentist. Are we going to meet?"), source="s")
    assert [(one.text, one.end) for one in found] == [
        ("Ada: Tomorrow I'm going to see the dentist.", datetime(2023, 5, 10, tzinfo=UTC))
    ]
    assert valid_at(found, MONDAY + timedelta(days=1)) == found
    assert valid_at(found, MONDAY + timedelta(days=3)) == []
    assert valid_at(found, MONDAY - timedelta(days=1)) == []


def test_intentions_without_a_day_are_open_and_lengths_of_time_end():
    (dream,) = prospects_of(turn("I hope to open a bakery."), source="s")
    assert dream.end is None
    (pills,) = prospects_of(turn("I'll take antibiotics for the next two weeks."), source="s")
    assert pills.end == MONDAY + timedelta(days=14)
    assert valid_at([dream, pills], MONDAY + timedelta(days=1)) == [pills, dream]


def test_the_past_is_not_foresight():
    assert prospects_of(turn("I went to Porto last week. It was lovely."), source="s") == []


def test_names_are_found_by_capitals_and_not_at_the_start_of_sentences_alone():
    texts = ["Yesterday I met Clara Gomez in Porto. Clara said hi!", "Wow! Great news. On Monday Biscuit ran."]
    assert entities(texts, ["Ada"]) == ("Ada", "Clara Gomez", "Porto", "Biscuit")


def test_cleaning_removes_what_cannot_be_seen():
    hidden = "pay\u200b \u202eme\u202c\x00 now\U000e0041\ufeff"
    assert clean(hidden) == "pay me now"
    assert clean_line("a\r\nb\u2028c\td") == "a b c d"
    assert clean("e\u0301") == "\u00e9"
    assert clean_text("a\r\n\n  b\x07\u200bc\n") == "a\n\n  b c\n"


@given(st.text(max_size=300))
def test_cleaning_is_stable(text):
    assert clean(clean(text)) == clean(text)
    assert "\x00" not in clean(text)


@given(st.text(max_size=400), st.integers(5, 60))
def test_pieces_are_bounded_and_keep_every_word(text, most):
    text = clean_line(text)
    found = pieces(text, most_chars=most)
    assert all(0 < len(piece) <= most for piece in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_sentences_do_not_end_at_titles():
    assert sentences("Dr. Gomez came. She left! Why?") == ["Dr. Gomez came.", "She left!", "Why?"]


def test_markdown_is_cut_at_headings_outside_of_code():
    text = "Intro\n=====\n\nHello.\n\n## Use\n\n```\n# not a heading\n```\n\n### Deep\n\nEnd.\n"
    found = read(Source("a.md", "", text, MARKDOWN))
    assert [one.title for one in found] == ["Intro", "Intro > Use", "Intro > Use > Deep"]
    assert "# not a heading" in found[1].text
    assert found[2].facts[0].text == "Intro > Use > Deep\nEnd."
    assert found[2].facts[0].span.source == "a.md"


def test_plain_text_is_one_section_of_bounded_passages():
    text = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(120))
    found = read(Source("b.txt", "B", text, PLAIN))
    assert [len(one.facts) for one in found] == [48, 48, 24]
    assert all(len(part) <= 1_000 for part in passages(text))
    assert len({one.cube_id for one in found}) == 3


def test_a_blank_document_leaves_nothing():
    assert read(Source("c.txt", "", " \n\n ", PLAIN)) == []
