import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from memporium.eval import models
from memporium.eval.models import EndpointModel, ModelError, RefusedError
from memporium.eval.verdicts import judged

GOOD = {"choices": [{"message": {"content": " Biscuit "}}], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}


@contextmanager
def endpoint(*answers):
    """Serve the answers in turn, the last one again and again: an error status, or a body."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, self.headers.get("authorization"), body))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, int):
                answer = (answer, b"{}")
            status, content = answer if isinstance(answer, tuple) else (200, answer)
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_told):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(models, "_BACKOFF_S", 0.001)


def test_an_answer_comes_with_what_it_cost():
    with endpoint(GOOD) as (url, asked):
        reply = EndpointModel(url, "big", api_key="sesame").ask("Be short.", "Dog?", max_tokens=9)
    assert (reply.text, reply.tokens_in, reply.tokens_out) == (" Biscuit ", 7, 2)
    path, key, body = asked[0]
    assert (path, key) == ("/v1/chat/completions", "Bearer sesame")
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("big", 9, 0)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_what_passes_is_waited_for():
    with endpoint(500, 429, 503, GOOD) as (url, asked):
        assert EndpointModel(url, "big").ask("", "x", max_tokens=9).text == " Biscuit "
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "asked_times", "why"),
    [
        (401, 1, "status 401"),
        (500, 5, "status 500"),
        (b"not json", 1, "in another way"),
        ({"choices": []}, 1, "in another way"),
        ({"choices": [{"message": None}]}, 1, "in another way"),
        (b"[" * 100_000, 1, "in another way"),
        (b'"' + b"x" * (5 << 20) + b'"', 1, "too long"),
    ],
)
def test_what_does_not_pass_is_an_error(answer, asked_times, why):
    with endpoint(answer) as (url, asked), pytest.raises(ModelError, match=why):
        EndpointModel(url, "big").ask("", "x", max_tokens=9)
    assert len(asked) == asked_times


def test_an_endpoint_that_is_not_there_is_an_error():
    with pytest.raises(ModelError, match="ConnectError"):
        EndpointModel("http://127.0.0.1:9/v1", "big").ask("", "x", max_tokens=9)


def test_a_verdict_is_asked_for_twice_and_both_are_paid():
    def told(text):
        return {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 10, "completion_tokens": 1}}

    with endpoint(told("Hm."), told('{"right": true}')) as (url, _asked):
        record = judged(EndpointModel(url, "big"), "Judge.", "x", max_tokens=9)
    assert (record["right"], record["tokens_in"], record["tokens_out"]) == (True, 20, 2)
    with endpoint(told("Hm.")) as (url, asked):
        assert judged(EndpointModel(url, "big"), "Judge.", "x", max_tokens=9)["right"] is None
    assert len(asked) == 2


def _saying(content, **usage):
    return {"choices": [{"message": {"content": content}}], "usage": usage}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<think>It says (a), but no.</think>\n(b)", "\n(b)"),
        ("<think>never comes to an end", ""),
        ([{"type": "text", "text": "Bis"}, {"type": "text", "text": "cuit"}], "Biscuit"),
        (None, ""),
        ("a <think> in an answer </think>", "a <think> in an answer </think>"),
    ],
)
def test_answers_come_in_several_shapes_and_thoughts_are_none(content, text):
    with endpoint(_saying(content, prompt_tokens=None, completion_tokens=3)) as (url, _asked):
        reply = EndpointModel(url, "big").ask("x", "y", max_tokens=9)
    assert (reply.text, reply.tokens_in, reply.tokens_out) == (text, 0, 3)


def test_an_endpoint_that_wants_other_fields_gets_them_from_then_on():
    limit = b'{"error": {"message": "Unsupported parameter: max_tokens. Use max_completion_tokens instead."}}'
    warm = b'{"error": {"message": "temperature does not support 0 with this model."}}'
    with endpoint((400, limit), (400, warm), GOOD) as (url, asked):
        model = EndpointModel(url, "o")
        assert model.ask("x", "y", max_tokens=9).text == model.ask("x", "y", max_tokens=9).text == " Biscuit "
    assert len(asked) == 4
    assert all(body["max_completion_tokens"] == 9 and "temperature" not in body for _, _, body in asked[2:])


def test_a_refused_request_is_told_from_a_model_that_does_not_answer():
    with endpoint((400, b"content filter: temperature")) as (url, asked), pytest.raises(RefusedError):
        EndpointModel(url, "big").ask("x", "y", max_tokens=9)
    assert len(asked) == 2
    with endpoint(401) as (url, _asked), pytest.raises(ModelError) as failed:
        EndpointModel(url, "big").ask("x", "y", max_tokens=9)
    assert not isinstance(failed.value, RefusedError)


@pytest.mark.parametrize("url", ["foo", "http://[::1", "ftp://x/y", "http://", ""])
def test_what_is_no_url_is_said_at_once(url):
    with pytest.raises(ValueError, match=r"."):
        EndpointModel(url, "big")
