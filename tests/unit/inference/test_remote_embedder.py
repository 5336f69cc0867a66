"""Embedders behind an OpenAI-compatible endpoint, against a server that answers, and fails, as it is told."""

from __future__ import annotations

import json
import threading
import traceback

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.embedders.openai_compatible import OpenAiCompatibleEmbedder
from support import embedding_server as ways
from support.embedding_server import embedding_server

KEY = "sk-secret-and-long"


def embedder(server, **more):
    given = {"dimensions": server.dimensions, "timeout_s": 250, "texts_at_once": 4, **more}
    return OpenAiCompatibleEmbedder("far", base_url=server.base_url, model="scripted", **given)


def refused(server, **more):
    """Return how a text is refused."""
    with pytest.raises(PlatformError) as caught:
        embedder(server, **more).embed(["a text"])
    told = "".join(traceback.format_exception(caught.value)) + caught.value.message
    assert KEY not in told
    return caught.value


def test_vectors_come_in_the_order_of_the_texts_and_of_unit_length():
    texts = [f"text number {number} of ten{number}" for number in range(10)]
    with embedding_server() as server:
        found = embedder(server, api_key="k").embed(texts)
        again = embedder(server, texts_at_once=100).embed(texts)
    assert [len(body["input"]) for body in server.asked] == [4, 4, 2, 10]
    assert {body["model"] for body in server.asked} == {"scripted"}
    for text, one, other in zip(texts, found, again, strict=True):
        expected = np.array(server.vector(text)) / np.linalg.norm(server.vector(text))
        assert one.vector.dtype == np.float32
        assert one.vector == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(one.vector, other.vector)
        assert (one.token_count, one.truncated) == (0, False)


def test_texts_without_any_word_are_not_asked_about():
    with embedding_server() as server:
        found = embedder(server).embed(["", "word", " \n"])
        assert embedder(server).embed(["", ""])[1].vector.shape == (32,)
    assert server.texts == ["word"]
    assert [bool(one.vector.any()) for one in found] == [False, True, False]


@pytest.mark.parametrize(
    "too_long", [(400, b"{}"), (413, b""), (422, b"{}"), (500, b'{"error": "input is too large to process"}')]
)
def test_a_text_that_is_too_long_is_cut_alone(too_long):
    texts = ["one", "two " * 300, "three", "four"]
    with embedding_server(window=100, too_long=too_long) as server:
        found = embedder(server).embed(texts)
    assert [one.truncated for one in found] == [False, True, False, False]
    assert max(len(text) for body in server.asked[-20:] for text in body["input"] if len(text) <= 100) > 50
    for text, one in zip(texts, found, strict=True):
        expected = np.array(server.vector(text[:75]))
        assert float(one.vector @ expected / np.linalg.norm(expected)) > 0.99


def test_what_is_refused_however_short_ends_soon():
    with embedding_server(instead=400) as server, pytest.raises(PlatformError, match="refuses a text") as caught:
        embedder(server, texts_at_once=64).embed(["word " * 100_000] * 64)
    assert caught.value.reason is Reason.FAILED_PRECONDITION
    assert len(server.asked) < 30


@pytest.mark.parametrize(
    ("instead", "headers", "reason", "wait_s"),
    [
        (401, {}, Reason.MODEL_UNAVAILABLE, None),
        (403, {}, Reason.MODEL_UNAVAILABLE, None),
        (404, {}, Reason.MODEL_UNAVAILABLE, None),
        (302, {"location": "http://127.0.0.1:1/"}, Reason.MODEL_UNAVAILABLE, None),
        (429, {}, Reason.OVERLOADED, 1.0),
        (429, {"retry_after": "7"}, Reason.OVERLOADED, 7.0),
        (429, {"retry_after": "99999"}, Reason.OVERLOADED, 60.0),
        (503, {}, Reason.UNAVAILABLE, 1.0),
        (503, {"retry_after": "3"}, Reason.UNAVAILABLE, 3.0),
        (500, {}, Reason.UNAVAILABLE, None),
        (ways.AWAY, {}, Reason.UNAVAILABLE, None),
        (ways.ENDLESS, {}, Reason.UNAVAILABLE, None),
    ],
)
def test_each_failure_has_its_reason(instead, headers, reason, wait_s):
    with embedding_server(instead=instead, headers=headers) as server:
        error = refused(server, api_key=KEY)
    assert (error.reason, error.retry_after_s) == (reason, wait_s)
    assert "far" in error.message


def test_a_wrong_key_is_told_and_not_repeated():
    with embedding_server(key=KEY) as server:
        error = refused(server, api_key="another")
        assert error.reason is Reason.MODEL_UNAVAILABLE
        assert "api_key" in error.message
        assert embedder(server, api_key=KEY).embed(["a"])[0].vector.any()


@pytest.mark.parametrize("instead", [ways.HANG, ways.DRIP])
def test_an_answer_has_to_be_whole_in_time(instead):
    with embedding_server(instead=instead) as server:
        assert refused(server, timeout_s=0.3).reason is Reason.UNAVAILABLE


def test_nobody_at_the_address():
    with embedding_server() as server:
        pass
    assert refused(server, api_key=KEY).reason is Reason.UNAVAILABLE


def one(**item):
    return json.dumps({"data": [{"index": 0, "embedding": [1.0] * 32} | item]}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{not json",
        b"\xff\xfe",
        b"[]",
        b'{"data": 7}',
        b'{"data": [3]}',
        b'{"data": []}',
        b"[" * 100_000,
        one(index=1),
        one(index=True),
        one(index=None),
        one(embedding="AAAA"),
        one(embedding=["1.0"] * 32),
        one(embedding=[None] * 32),
        one(embedding=[[1.0] * 32]),
        one(embedding=[[1.0], [1.0, 2.0]]),
        one(embedding=[0.0] * 32),
        one(embedding=[10**400] * 32),
        one().replace(b"1.0, 1.0", b"NaN, 1.0"),
        one().replace(b"1.0, 1.0", b"1e999, 1.0"),
        json.dumps({"data": [{"index": place, "embedding": [1.0] * 32} for place in (0, 0)]}).encode(),
        json.dumps({"data": [{"index": place, "embedding": [1.0] * 32} for place in (0, 1)]}).encode(),
    ],
)
def test_answers_of_another_kind_are_none(answer):
    with embedding_server(instead=answer) as server:
        error = refused(server, api_key=KEY)
    assert error.reason is Reason.UNAVAILABLE
    assert "in another way" in error.message


def test_another_length_is_told_with_both_numbers():
    with embedding_server(dimensions=48) as server:
        error = refused(server, dimensions=32)
    assert error.reason is Reason.MODEL_UNAVAILABLE
    assert "48" in error.message
    assert "32" in error.message


@pytest.mark.parametrize("size", [1e-300, 1e300, 3])
def test_numbers_of_any_size_have_unit_length(size):
    with embedding_server(instead=one(embedding=[size] * 32)) as server:
        assert np.linalg.norm(embedder(server).embed(["a"])[0].vector) == pytest.approx(1, abs=1e-6)


def test_closing_breaks_off_what_waits():
    with embedding_server(instead=ways.HANG) as server:
        far, caught = embedder(server, timeout_s=600), []

        def ask():
            try:
                far.embed(["a"])
            except PlatformError as error:
                caught.append(error.reason)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        assert server.arrived.wait(250)
        far.close()
        thread.join(250)
        assert caught == [Reason.UNAVAILABLE]
        with pytest.raises(PlatformError, match="does not answer"):
            far.embed(["a"])


def test_the_fingerprint_is_of_what_decides_on_the_vectors():
    with embedding_server() as server:
        plain = embedder(server)
        same = OpenAiCompatibleEmbedder("near", base_url="http://other.example/v1", model="scripted", dimensions=32)
        others = [embedder(server, query_prefix="q: "), embedder(server, document_prefix="q: ")]
        others += [embedder(server, dimensions=31)]
        with pytest.raises(PlatformError) as caught:
            plain.count_tokens(["a"])
    assert plain.info.fingerprint == same.info.fingerprint
    assert len({one.info.fingerprint for one in (plain, *others)}) == 4
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
