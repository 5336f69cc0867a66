import grpc
import pytest

from memporium.inference.v1 import generate_pb2
from memporium_services.reader.adapters.narrators import ModelNarrator, PlainNarrator, narrator_of, parse
from memporium_services.reader.settings import ReaderSettings

DIALOGUE = "On 8 May 2023, 13:56:\nAda: I baked rye bread.\nBen: Lovely, may I have some?"
PROSE = "On 8 May 2023 Ada told Ben that she had baked rye bread."


class FakeInference:
    """Answers like the inference service: the text in pieces, or an error."""

    def __init__(self, answer="", error=None):
        self.answer, self.error, self.asked = answer, error, []

    def stub(self, _stub_class):
        return self

    async def Generate(self, request):
        self.asked.append(request)
        for start in range(0, len(self.answer), 7):
            delta = generate_pb2.GenerationDelta(text=self.answer[start : start + 7])
            yield generate_pb2.GenerateResponse(delta=delta)
        if self.error is not None:
            raise self.error


def narrator(**fake):
    inference = FakeInference(**fake)
    return ModelNarrator(inference, model="tiny-random", max_tokens=64), inference


async def test_a_model_s_prose_takes_the_dialogue_s_place():
    asked, inference = narrator(answer=f'Sure! {{"episode": "{PROSE}"}}')
    assert await asked.narrate(DIALOGUE) == PROSE
    request = inference.asked[0]
    assert (request.model, request.max_tokens, request.temperature) == ("tiny-random", 64, 0.0)
    assert request.messages[1].content == DIALOGUE


@pytest.mark.parametrize(
    "answer",
    ["", "no JSON", "{", '{"episode": 3}', '["episode"]', '{"episode": ""}', '{"episode": "' + "x" * 5_000 + '"}'],
)
async def test_what_does_not_parse_leaves_the_dialogue(answer):
    asked, _inference = narrator(answer=answer)
    assert await asked.narrate(DIALOGUE) == DIALOGUE
    assert parse(answer, DIALOGUE) is None


async def test_a_model_that_fails_leaves_the_dialogue():
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "gone")
    asked, _inference = narrator(answer='{"episode": "half', error=error)
    assert await asked.narrate(DIALOGUE) == DIALOGUE


async def test_without_a_setting_no_model_is_asked():
    inference = FakeInference()
    chosen = narrator_of(ReaderSettings(narrator_model=""), inference)
    assert isinstance(chosen, PlainNarrator)
    assert await chosen.narrate(DIALOGUE) == DIALOGUE
    assert isinstance(narrator_of(ReaderSettings(narrator_model="tiny-random"), inference), ModelNarrator)
