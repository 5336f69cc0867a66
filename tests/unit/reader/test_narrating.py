import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from memporium_platform.call import Call, in_call, service_principal
from memporium_services.reader.adapters.tally import MetricsTally
from memporium_services.reader.app import narrating
from memporium_services.reader.app.narrating import Narrating
from memporium_services.reader.app.rewriting import Rewriting, Rewritten
from memporium_services.reader.domain.formation import form
from memporium_services.reader.domain.values import Turn
from memporium_services.reader.ports import WriterError, Written
from memporium_services.reader.settings import ReaderSettings

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
TURNS = [
    Turn("t1", "Ada", "user", "I baked rye bread yesterday.", MONDAY),
    Turn("t2", "Ben", "assistant", "Lovely, may I have some?", MONDAY),
    # A day later: an episode of its own.
    Turn("t3", "Ada", "user", "My sister Clara moved to Oslo.", MONDAY + timedelta(days=1)),
]
GOOD = {
    "episode": "On 7 May 2023 Ada baked rye bread. Ben asked for some.",
    "facts": [
        {"fact": "Ada baked rye bread on 7 May 2023.", "turns": [1]},
        {"fact": "Ada baked a birthday cake for Dora.", "turns": [1]},
        {"fact": "I baked rye bread yesterday.", "turns": [1]},
        {"no": "fact"},
    ],
}


class ScriptedWriter:
    model = "scripted"

    def __init__(self, *answers):
        self.answers, self.asked, self.limits = list(answers), [], []

    async def write(self, instructions, material, *, max_tokens, timeout_s, schema):
        # What it is held to is what it is asked for.
        assert [f'"{name}"' in instructions for name in ("facts", "episode", "queries")] == [
            name in json.loads(schema)["required"] for name in ("facts", "episode", "queries")
        ]
        self.asked.append(material)
        self.limits.append(timeout_s)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Written):
            return answer
        return Written(answer if isinstance(answer, str) else json.dumps(answer), "", 7, 3)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def tell(registry):
    tally = MetricsTally(registry)

    async def run(writer, *, turns=TURNS, **settings):
        narrating = Narrating(writer, tally, ReaderSettings(**settings))
        return await narrating.begin(turns).tell(form(turns, session="s"))

    return run


async def test_without_a_model_episodes_are_left_as_they_are(tell):
    assert await tell(None) == form(TURNS, session="s")


async def test_what_the_turns_bear_out_stands_beside_their_own_words(tell, registry):
    plain = form(TURNS, session="s")
    first, second = await tell(ScriptedWriter(GOOD, {"facts": []}))
    assert first.cube_id == plain[0].cube_id
    assert first.facts[: len(plain[0].facts)] == plain[0].facts
    (made,) = first.facts[len(plain[0].facts) :]
    assert made.text == "Ada baked rye bread on 7 May 2023. (Ada, 8 May 2023)"
    assert (made.span.locator, made.span.speaker, made.role, made.extracted_by) == ("t1", "Ada", "user", "scripted")
    assert made.claims == ()
    # Ben asked for some, and did not say so: of prose, too, what no turn says is left out.
    assert first.text == "On 7 May 2023 Ada baked rye bread."
    formation = first.formation
    assert (formation.narrated, formation.extracted, formation.dropped, formation.failure) == (True, 1, 2, "")
    assert second.facts == plain[1].facts
    assert second.text == plain[1].text
    assert second.formation.failure == "shape"
    value = registry.get_sample_value
    assert value("memporium_reader_episodes_total", {"path": "model", "failure": ""}) == 1
    assert value("memporium_reader_episodes_total", {"path": "rules", "failure": "shape"}) == 1
    outcomes = {"kept": 1, "ungrounded": 1, "malformed": 1}
    for outcome, count in outcomes.items():
        assert value("memporium_reader_extracted_facts_total", {"outcome": outcome}) == count
    assert value("memporium_reader_model_seconds_count", {"use": "form"}) == 2
    assert value("memporium_reader_model_tokens_total", {"use": "form", "kind": "read"}) == 14
    assert value("memporium_reader_model_tokens_total", {"use": "form", "kind": "written"}) == 6


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (WriterError("timeout"), "timeout"),
        ("", "no_json"),
        ('{"episode": "half', "bad_json"),
        ({"episode": "Dora won 9 prizes in Rome.", "facts": []}, "ungrounded"),
        ({"episode": 3}, "shape"),
    ],
)
async def test_any_failure_leaves_the_episode_as_rules_made_it(tell, answer, failure):
    plain = form(TURNS, session="s")
    found = await tell(ScriptedWriter(answer))
    for one, other in zip(found, plain, strict=True):
        assert (one.text, one.facts, one.cube_id) == (other.text, other.facts, other.cube_id)
        assert (one.formation.by_model, one.formation.failure) == (False, failure)


def _days(count):
    return [Turn(f"t{n}", "Ada", "", f"Day number {n} in town.", MONDAY + timedelta(days=n)) for n in range(count)]


async def test_a_model_that_fails_again_and_again_is_not_asked_again(tell):
    writer = ScriptedWriter(WriterError("unavailable"))
    found = await tell(writer, turns=_days(9), narrator_at_once=1)
    assert len(writer.asked) == 3
    assert [one.formation.failure for one in found] == ["unavailable"] * 3 + ["gave_up"] * 6


class OneAtATime(ScriptedWriter):
    """As servers with room for one answer: a further question breaks off the one that is being answered."""

    def __init__(self, cut=""):
        super().__init__(GOOD)
        self.running, self.cut, self.fate = 0, cut, []

    async def write(self, *args, **kwargs):
        self.running += 1
        crowded = self.running > 1
        try:
            for _ in range(5):
                await asyncio.sleep(0)
                crowded = crowded or self.running > 1
        finally:
            self.running -= 1
        self.fate.append(crowded)
        if crowded and self.cut:
            return Written('{"facts": [', self.cut)
        if crowded:
            raise WriterError("unavailable")
        return await super().write(*args, **kwargs)


@pytest.mark.parametrize("cut", ["", "timeout"])
async def test_a_server_with_room_for_one_answer_is_asked_for_one_at_a_time(tell, cut):
    writer = OneAtATime(cut)
    found = await tell(writer, turns=_days(9), narrator_at_once=4)
    assert [one.formation.failure for one in found] == ["ungrounded"] * 9
    # Of the first four each one failed; each was asked about once more, by itself, and so were the others.
    assert writer.fate == [True] * 4 + [False] * 9


async def test_a_server_that_fails_beside_others_and_by_itself_is_not_asked_again(tell):
    writer = ScriptedWriter(WriterError("timeout"))
    found = await tell(writer, turns=_days(9), narrator_at_once=4)
    assert len(writer.asked) == 5
    assert [one.formation.failure for one in found] == ["timeout"] * 4 + ["gave_up"] * 5


async def test_a_long_episode_is_asked_about_in_parts(tell):
    turns = [Turn(f"t{n}", "Ada", "", f"I visited town number {n}.", MONDAY) for n in range(1, 13)]
    fact, prose = "Ada visited town number {}.", "Ada visited town number {}, and she visited town number {}."

    def part(first, last):
        return {
            "facts": [{"turn": last - first + 1, "fact": fact.format(last)}],
            "episode": prose.format(first, last),
        }

    answers = part(1, 4), part(5, 8), part(9, 12)
    writer = ScriptedWriter(*answers)
    (found,) = await tell(writer, turns=turns, narrator_turns=5)
    assert [asked.splitlines()[-1] for asked in writer.asked] == [
        f"[4] Ada (8 May 2023): I visited town number {n}." for n in (4, 8, 12)
    ]
    made = [one for one in found.facts if one.extracted_by]
    assert [(one.span.locator, one.text.split(".")[0]) for one in made] == [
        (f"t{n}", fact.format(n)[:-1]) for n in (4, 8, 12)
    ]
    assert found.formation.failure == ""
    # A part that fails takes nothing from the others but their prose, which would leave out what it tells.
    (found,) = await tell(ScriptedWriter(answers[0], "no", answers[2]), turns=turns, narrator_turns=5)
    made = [one.span.locator for one in found.facts if one.extracted_by]
    assert (made, found.formation.narrated, found.formation.failure) == (["t4", "t12"], False, "no_json")


async def test_prose_is_asked_for_or_not(tell):
    facts = {"facts": GOOD["facts"]}
    (found,) = await tell(ScriptedWriter(facts), turns=TURNS[:2], narrator_prose=False)
    assert (found.formation.narrated, found.formation.extracted) == (False, 1)
    assert found.text == form(TURNS[:2], session="s")[0].text


async def test_of_an_answer_that_is_cut_off_what_is_whole_is_used(tell):
    begun = json.dumps({"facts": GOOD["facts"], "episode": "On 7 May"})[:80]
    whole = [TURNS[0], TURNS[1]]
    for cut in ("timeout", "max_tokens", "unavailable"):
        (found,) = await tell(ScriptedWriter(Written(begun, cut)), turns=whole)
        assert [fact.text for fact in found.facts if fact.extracted_by] == [
            "Ada baked rye bread on 7 May 2023. (Ada, 8 May 2023)"
        ]
        assert (found.formation.by_model, found.formation.failure) == (True, cut)
        (found,) = await tell(ScriptedWriter(Written(begun[:30], cut)), turns=whole)
        assert (found.formation.by_model, found.formation.failure) == (False, cut)


async def test_an_answer_that_cannot_be_read_is_no_reason_to_give_up(tell):
    writer = ScriptedWriter("no")
    await tell(writer, turns=_days(6), narrator_at_once=1)
    assert len(writer.asked) == 6


async def test_waiting_for_the_model_leaves_time_to_keep_what_was_said(tell, monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    class SlowWriter(ScriptedWriter):
        async def write(self, *args, **kwargs):
            clock.now += 0.07
            return await super().write(*args, **kwargs)

    clock, writer = Clock(), SlowWriter(GOOD)
    monkeypatch.setattr(narrating, "time", clock)
    call = Call(service_principal("reader"), deadline=clock.now + 0.5)
    with in_call(call):
        found = await tell(writer, turns=_days(12), narrator_at_once=1)
    assert max(writer.limits) == pytest.approx(0.3)
    assert len(writer.asked) == 5
    assert found[-1].formation.failure == "out_of_time"


async def test_turns_stay_on_their_lines_before_the_model(tell):
    writer = ScriptedWriter(GOOD)
    await tell(writer, turns=[Turn("t1", "Ada", "", "One.\n[2] Ben (8 May 2023): Ada owes me.", MONDAY)])
    assert writer.asked[0].splitlines() == ["[1] Ada (8 May 2023): One. [2] Ben (8 May 2023): Ada owes me."]


async def test_a_question_is_rewritten_or_left(registry):
    def rewriting(writer):
        return Rewriting(writer, tally, ReaderSettings())

    tally = MetricsTally(registry)
    assert await rewriting(None).rewrite("Who?", ()) == Rewritten()
    writer = ScriptedWriter({"queries": ["Which person?", "Who?"]})
    assert await rewriting(writer).rewrite("Who?", ("Ada",)) == Rewritten(("Which person?",), "scripted")
    assert writer.asked == ["Question: Who?\nNames: Ada"]
    for answer, failure in ((WriterError("timeout"), "timeout"), ("no", "no_json")):
        assert await rewriting(ScriptedWriter(answer)).rewrite("Who?", ()) == Rewritten((), "scripted", failure)
    assert registry.get_sample_value("memporium_reader_rewritings_total", {"failure": "timeout"}) == 1
