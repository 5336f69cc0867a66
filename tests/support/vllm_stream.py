"""How vLLM writes an answer: server-sent events in chunked encoding, and JSON for errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memporium_services.inference.domain.stream_text import StopWatcher, TokenText

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

_HEAD = "HTTP/1.1 {} X\r\ncontent-type: {}\r\n{}\r\n"


async def write_stream(
    writer: asyncio.StreamWriter,
    body: dict[str, Any],
    tokenizer: Any,
    *,
    prompt: Sequence[int],
    written: Sequence[int],
    cached: int | None,
    breaks_after: int | None,
) -> None:
    """Write the events of one answer.

    Args:
        writer: The connection; the head of the answer was written.
        body: The request.
        tokenizer: The model's.
        prompt: The prompt's tokens.
        written: The answer's tokens.
        cached: Tokens of the prompt that were cached; None: not told (no `--enable-prompt-tokens-details`).
        breaks_after: Events after which the engine fails, told in the stream; None: never.
    """
    chat, options = "messages" in body, body.get("stream_options") or {}
    kind = "chat.completion.chunk" if chat else "text_completion"
    frame = {"id": "cmpl-1", "object": kind, "created": 1, "model": body["model"]}
    asked_ids = {"prompt_token_ids": list(prompt)} if body.get("return_token_ids") else {}
    if chat:
        first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        await _event(writer, {**frame, "choices": [first], **asked_ids})
    count = 0
    for told, (choice, tokens) in enumerate(choices(written, tokenizer, body.get("stop") or [])):
        if told == breaks_after:
            await _event(writer, error_body(500, "InternalServerError", "Internal server error"))
            await _event(writer, "[DONE]")
            return
        count += len(tokens)
        shown: dict[str, Any] = {"delta": {"content": choice["text"]}} if chat else {"text": choice["text"]}
        reasons = {"finish_reason": choice["finish_reason"], "stop_reason": choice["stop_reason"]}
        shown |= {"index": 0, "logprobs": None, **reasons}
        if body.get("return_token_ids"):
            shown |= {"token_ids": list(tokens), **({} if chat or told else asked_ids)}
        event = {**frame, "choices": [shown]}
        if options.get("continuous_usage_stats"):
            event["usage"] = _usage(len(prompt), count)
        await _event(writer, event)
    if options.get("include_usage"):
        usage = _usage(len(prompt), count)
        if cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        await _event(writer, {**frame, "choices": [], "usage": usage})
    await _event(writer, "[DONE]")


def choices(
    written: Sequence[int], tokenizer: Any, stop: str | Sequence[str]
) -> list[tuple[dict[str, Any], list[int]]]:
    """Return the choices of each event with their tokens: whole characters, nothing of a stop text or after it."""
    text = TokenText(lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True)))
    stops = [stop] if isinstance(stop, str) else list(stop)
    watcher, seen, found = StopWatcher(stops), "", []
    for place, token in enumerate(written):
        last = place == len(written) - 1
        new = "" if token == tokenizer.eos_token_id else text.push(token, last=last)
        seen += new
        shown = watcher.push(new)
        choice: dict[str, Any] = {"text": shown, "finish_reason": None, "stop_reason": None}
        if watcher.hit:
            hit = min((one for one in stops if one in seen), key=seen.find)
            choice |= {"finish_reason": "stop", "stop_reason": hit}
        elif last:
            ended = token == tokenizer.eos_token_id
            choice |= {"text": shown + watcher.flush(), "finish_reason": "stop" if ended else "length"}
        found.append((choice, [token]))
        if choice["finish_reason"]:
            break
    return found


def head(writer: asyncio.StreamWriter, status: int, kind: str, rest: str) -> None:
    """Write the head of an answer."""
    writer.write(_HEAD.format(status, kind, rest).encode())


def text(writer: asyncio.StreamWriter, answer: str, *, status: int = 200, kind: str = "text/plain") -> None:
    """Write a whole answer."""
    head(writer, status, kind, f"content-length: {len(answer.encode())}\r\n")
    writer.write(answer.encode())


def error(writer: asyncio.StreamWriter, status: int, kind: str, message: str) -> None:
    """Write an error as vLLM words them."""
    text(writer, json.dumps(error_body(status, kind, message)), status=status, kind="application/json")


def error_body(status: int, kind: str, message: str) -> dict[str, Any]:
    """Return an error's JSON."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def end(writer: asyncio.StreamWriter) -> None:
    """End a chunked answer."""
    writer.write(b"0\r\n\r\n")


async def _event(writer: asyncio.StreamWriter, event: dict[str, Any] | str) -> None:
    data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


def _usage(prompt: int, written: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "total_tokens": prompt + written, "completion_tokens": written}
