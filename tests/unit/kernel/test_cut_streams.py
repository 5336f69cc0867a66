"""A client stream that is cut has no end: what was half said is not taken for the whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from support.echo import Header, PartRequest
from support.patience import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUNDS = 60


async def test_a_cut_client_stream_is_never_answered(echo: Any) -> None:
    heard = asyncio.Event()

    async def on_call(_name: str, _request: Any) -> None:
        heard.set()

    async def half() -> AsyncIterator[Any]:
        yield PartRequest(header=Header(parent="orgs/acme"))
        yield PartRequest(text="half of it")
        await asyncio.Event().wait()

    echo.module.on_call = on_call
    for _ in range(ROUNDS):
        heard.clear()
        call = echo.stub.Collect(half())
        await heard.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    uploads: list[Any] = []

    def all_recorded() -> bool:
        uploads.extend(record for record in echo.records() if record.method.endswith("/Collect"))
        return len(uploads) >= ROUNDS

    await eventually(all_recorded)
    assert len(uploads) == ROUNDS
    assert {record.effect for record in uploads} == {"ERROR"}
