from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.keys import spoken_for


def one(text, *, ordinal=0, locator="t1", legs=None, **more):
    told = {"cube": "c", "speaker": "Ada", "source": "s", **more}
    return Candidate(ordinal=ordinal, text=text, locator=locator, legs=legs or {}, **told)


TURN = one("Ada: It is cobalt blue. (8 May 2023)", legs={"dense": 0.2, "own": 3.0}, score=0.3, focus=0.1, further=0.2)
FACT = one(
    "The glaze of Ada's bowl is cobalt blue. (Ada, 8 May 2023)",
    ordinal=4,
    legs={"dense": 0.7, "own": 1.0, "context": 2.0},
    score=0.6,
    focus=0.5,
)


def test_a_fact_speaks_for_its_turn_and_takes_no_place():
    other = one("Ben: Nice!", ordinal=1, locator="t2", speaker="Ben")
    found = spoken_for((FACT, other, TURN))
    assert [each.text for each in found] == [other.text, TURN.text]
    assert found[1]._replace(legs={}) == TURN._replace(legs={}, score=0.6, focus=0.5)
    assert found[1].legs == {"dense": 0.7, "own": 3.0, "context": 2.0}
    assert found[0] is other


def test_without_facts_everything_is_as_it_was():
    found = (TURN, one("Ben: Nice!", ordinal=1, locator="t2", speaker="Ben"))
    assert all(left is right for left, right in zip(spoken_for(found), found, strict=True))
    assert spoken_for(()) == ()


def test_a_fact_stands_for_itself_where_its_turn_was_not_found_or_is_no_turn():
    for turn in (
        TURN._replace(locator="t2"),
        TURN._replace(cube="d"),
        TURN._replace(mount="m"),
        TURN._replace(speaker="Ben", text="Ben: It is cobalt blue."),
        TURN._replace(text="Ada's bowl was shown to Ben.", ordinal=9),
    ):
        assert spoken_for((FACT, turn)) == (FACT, turn)
    # Statements that nobody read out of a turn.
    unplaced = (TURN._replace(locator=""), FACT._replace(locator=""))
    assert spoken_for(unplaced) == unplaced


def test_of_a_long_turn_the_piece_that_tells_the_same_is_found():
    first, second = TURN._replace(text="Ada: I went home by bus."), TURN._replace(ordinal=1)
    found = spoken_for((first, second, FACT))
    assert [each.score for each in found] == [0.3, 0.6]
