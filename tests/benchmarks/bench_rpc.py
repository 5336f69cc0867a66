"""Unary calls through the whole platform beside a bare grpc.aio echo: rate, latency and CPU, in interleaved rounds.

`ours` is GetCube, over 256 cubes of about 1 KB, on a running platform (credential, authorisation, limits, metrics and audit
on); `echo` is the kernel alone, a handler that only returns; `bare` is grpc.aio with the same bytes and nothing else.
Each server is a process of its own, all with uvloop, the client beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_BARE = "/bare.Echo/Echo"
_PAYLOAD_BYTES = 1024
# Cubes that are read in turn, so that no two calls in flight ask for the same.
_CUBES = 256


async def _serve_bare(say: Callable[[dict[str, Any]], None]) -> None:
    async def echo(request: bytes, context: Any) -> bytes:
        return request

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say({"address": f"127.0.0.1:{port}", "method": _BARE, "requests": [""], "key": ""})
    await server.wait_for_termination()


async def _serve_echo(say: Callable[[dict[str, Any]], None]) -> None:
    from support.echo import SERVICE, EchoModule, EchoRequest, EchoResponse
    from support.platform import running_platform

    async def answer(_name: str, request: Any) -> Any:
        return EchoResponse(payload=request.payload)

    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(data_dir=Path(folder), modules=[EchoModule(answer)], **_no_limits()) as platform:
            org = await platform.organisation("acme")
            request = EchoRequest(name="orgs/acme/vaults/v/cubes/c", payload=bytes(_PAYLOAD_BYTES))
            say(_target(platform.address, f"/{SERVICE}/Echo", [request], org.owner_key))
            await _settled()


async def _serve_ours(say: Callable[[dict[str, Any]], None]) -> None:
    from memporium.cube.v1 import cube_pb2
    from memporium.vault.v1 import vault_service_pb2
    from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
    from support.platform import present_services, running_platform

    os.environ.setdefault("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    with tempfile.TemporaryDirectory() as folder:
        services = [name for name in present_services() if name in {"governance", "vault", "inference"}]
        async with running_platform(services, data_dir=Path(folder), **_no_limits()) as platform:
            org = await platform.organisation("acme")
            vault = VaultServiceStub(platform.channel(org.owner_key))
            await vault.CreateVault(vault_service_pb2.CreateVaultRequest(parent=org.name, vault_id="bench"))
            text = "The quick brown fox jumps over the lazy dog. " * 20
            requests = []
            for number in range(_CUBES):
                document = cube_pb2.Document(title=f"fox {number}", text=text)
                cube = cube_pb2.Cube(payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(document=document)))
                request = vault_service_pb2.CreateCubeRequest(parent=f"{org.name}/vaults/bench", cube=cube)
                made = await vault.CreateCube(request)
                requests.append(vault_service_pb2.GetCubeRequest(name=made.cube.name))
            say(_target(platform.address, "/memporium.vault.v1.VaultService/GetCube", requests, org.owner_key))
            await _settled()


async def _settled() -> None:
    """Serve for ever, in the state that `memporium serve` serves in."""
    gc.collect()
    gc.freeze()
    await asyncio.Event().wait()


_SERVERS: dict[str, Callable[[Callable[[dict[str, Any]], None]], Awaitable[None]]] = {
    "bare": _serve_bare,
    "echo": _serve_echo,
    "ours": _serve_ours,
}


def _no_limits() -> dict[str, Any]:
    return {"tenant_calls_per_s": 0}


def _target(address: str, method: str, requests: list[Any], key: str) -> dict[str, Any]:
    sent = [request.SerializeToString().hex() for request in requests]
    return {"address": address, "method": method, "requests": sent, "key": key}


@contextlib.asynccontextmanager
async def _server(name: str) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", name], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        while True:
            line = await asyncio.to_thread(process.stdout.readline)
            if not line:
                message = f"server {name} did not start"
                raise RuntimeError(message)
            if line.startswith("{"):
                break
        yield process.pid, json.loads(line)
    finally:
        process.kill()
        process.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


async def _round(target: dict[str, Any], pid: int, *, calls: int, in_flight: int) -> dict[str, float]:
    requests = [bytes.fromhex(request) or bytes(_PAYLOAD_BYTES) for request in target["requests"]]
    metadata = (("authorization", f"Bearer {target['key']}"),) if target["key"] else ()
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(target["address"]) as channel:
        call = channel.unary_unary(target["method"])
        await call(requests[0], metadata=metadata)
        left = iter(range(calls))

        async def worker() -> None:
            for number in left:
                began = time.perf_counter()
                await call(requests[number % len(requests)], metadata=metadata)
                latencies.append(time.perf_counter() - began)

        before = _cpu_s(pid)
        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        elapsed = time.perf_counter() - began
        used = _cpu_s(pid) - before
    latencies.sort()
    return {
        "req_s": calls / elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "server_cpu_us": used / calls * 1e6,
    }


async def measure(names: list[str], *, rounds: int, calls: int, in_flight: int) -> dict[str, Any]:
    """Return the medians over the rounds of each server, and the median of the ratios within a round."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(_server(name)) for name in names}
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(rounds + 1):
            for name, (pid, target) in servers.items():
                result = await _round(target, pid, calls=calls, in_flight=in_flight)
                if number:  # the first round warms up
                    seen[name].append(result)
    report: dict[str, Any] = {
        name: {key: round(statistics.median(one[key] for one in results), 3) for key in results[0]}
        for name, results in seen.items()
    }
    for name in names:
        if name != "bare":
            ratios = [one["req_s"] / bare["req_s"] for one, bare in zip(seen[name], seen["bare"], strict=True)]
            report[name]["of_bare"] = round(statistics.median(ratios), 3)
    return report


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=_SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", choices=_SERVERS, default=list(_SERVERS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, less than a minute")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--calls", type=int)
    parser.add_argument("--in-flight", type=int, default=64)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(_SERVERS[arguments.serve](lambda ready: print(json.dumps(ready), flush=True)))
        return
    rounds, calls = (3, 1000) if arguments.quick else (5, 4000)
    rounds, calls = arguments.rounds or rounds, arguments.calls or calls
    figures = uvloop.run(measure(arguments.only, rounds=rounds, calls=calls, in_flight=arguments.in_flight))
    report = {
        "benchmark": "rpc",
        "quick": arguments.quick,
        "python": machine.python_version(),
        "grpc": grpc.__version__,
        "cores": os.cpu_count(),
        "in_flight": arguments.in_flight,
        **figures,
    }
    text = json.dumps(report)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
