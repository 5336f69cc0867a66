"""Sealing and opening of bundles beside bare zstd and AES-256-GCM on the same data, in interleaved rounds.

`format` is the bundle format alone: records or a tensor file to sealed segments in memory, and back through every check
of a segment. `raw` cuts the same content into pieces of 4 MiB, compresses at the same level and encrypts: no keys by
content, no digests, no padding, no checks, nothing to notice a change between two pieces. For tensors it stands twice: with
zstd, and `aes` with the cipher alone, as this format stores tensors uncompressed. MB/s are by the clock, so the machine
must have nothing else to do; `cpu_ms` beside them are milliseconds of processor time of all threads. The format opens as
the service does, with a second thread, which checks the records of one segment while the next is decompressed
(`threads`: 2); all else, and `raw` and `aes`, run on one. So `open_of_raw` compares two threads with one, as a caller
meets them, and `open_cpu_of_raw` what both cost. `service` is DumpVault and LoadBundle
over gRPC with the real vault, the folder store and SQLite. Peak memory is that of a process of its own that streams a
bundle of `--memory-megabytes` from and to the disk. `change` seals a bundle, changes a hundredth of it, and seals it again.

Text is that of `--data` (any file or folder of UTF-8 text), else the sources of the standard library; where it is used up
it begins again, beyond the reach of a frame's window.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

MB = 1_000_000
PIECE = 4 << 20
PASSAGE = 2000


def passages(data: Path | None) -> list[str]:
    """Return texts of about 2,000 characters."""
    if data is None:
        folder = Path(sysconfig.get_path("stdlib"))
        files = [path for path in sorted(folder.rglob("*.py")) if "site-packages" not in path.parts]
    else:
        files = sorted(path for path in data.rglob("*") if path.is_file()) if data.is_dir() else [data]
    text = "\n".join(path.read_text(errors="replace") for path in files)
    return [text[start : start + PASSAGE] for start in range(0, len(text), PASSAGE)]


def records(texts: list[str], size_bytes: int, *, changed: int = 0) -> Iterator[tuple[bytes, str]]:
    """Yield records of cubes and their names: the passages, each with a number; the first `changed` ones altered."""
    from memporium.transfer.v1.record_pb2 import BundleRecord

    made = 0
    for number, text in enumerate(cycle(texts)):
        record = BundleRecord()
        record.cube.cube.name = f"orgs/a/vaults/v/cubes/c{number}"
        word = "changed " if number < changed else ""
        record.cube.cube.payload.plaintext.document.text = f"{word}{number} {text}"
        data = record.SerializeToString()
        made += len(data)
        yield data, record.cube.cube.name
        if made >= size_bytes:
            return


def tensors(size_bytes: int) -> bytes:
    """Return a safetensors file of random float16 numbers."""
    numbers = np.random.default_rng(1).standard_normal(size_bytes // 2).astype(np.float16).tobytes()
    entry = {"dtype": "F16", "shape": [len(numbers) // 2], "data_offsets": [0, len(numbers)]}
    header = json.dumps({"k": entry}).encode()
    return len(header).to_bytes(8, "little") + header + numbers


def seal(made: list[tuple[bytes, str]], blob: bytes):
    """Seal a bundle in memory with the format alone; return its manifest and segments."""
    from memporium.transfer.v1.bundle_pb2 import Manifest
    from memporium_platform.bundle.keys import LineSecret
    from memporium_platform.bundle.writer import BundleWriter
    from support import bundles

    writer, segments = BundleWriter(LineSecret(bytes(range(32))), bytes(32)), []
    for record, name in made:
        segments += writer.add_record(record, cube=name)
    segments += writer.end_records()
    if blob:
        writer.begin_tensors("00" * 32)
        view = memoryview(blob)
        for start in range(0, len(view), 1 << 20):
            segments += writer.add_tensors(view[start : start + (1 << 20)])
        segments += writer.end_tensors()
    identity = bundles.Publisher().seal([]).identity
    return Manifest.FromString(writer.manifest(identity)), [bytes(segment.data) for segment in segments]


def load(sealed) -> int:
    """Verify every segment with every check, as the service does; return the size of the content."""
    from memporium_platform.bundle.content import ContentVerifier
    from memporium_platform.bundle.keys import BundleKey
    from memporium_platform.bundle.pipeline import verified

    manifest, segments = sealed
    content = ContentVerifier(manifest, BundleKey(bytes(32)))
    return sum(map(len, verified(content, range(len(segments)), segments.__getitem__)))


def raw_seal(content: bytes, *, compressed: bool) -> list[tuple[bytes, bytes]]:
    """Compress and encrypt pieces."""
    cipher, packer, made = AESGCM(bytes(32)), zstandard.ZstdCompressor(level=3), []
    for start in range(0, len(content), PIECE):
        piece = content[start : start + PIECE]
        nonce = os.urandom(12)
        made.append((nonce, cipher.encrypt(nonce, packer.compress(piece) if compressed else piece, None)))
    return made


def raw_load(sealed: list[tuple[bytes, bytes]], *, compressed: bool) -> int:
    """Decrypt and decompress pieces."""
    cipher, unpacker, size = AESGCM(bytes(32)), zstandard.ZstdDecompressor(), 0
    for nonce, data in sealed:
        piece = cipher.decrypt(nonce, data, None)
        size += len(unpacker.decompress(piece) if compressed else piece)
    return size


@dataclass(frozen=True, slots=True)
class Took:
    """What a piece of work took, in seconds: by the clock, and of the processors by all threads together."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], object]) -> tuple[Took, object]:
    """Return what `work` takes, and its result."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = work()
    return Took(time.perf_counter() - began, time.process_time() - began_cpu), result


def compare(content: bytes, made: list[tuple[bytes, str]], blob: bytes, rounds: int) -> dict[str, object]:
    """Return MB/s and processor time of the format and of the bare pipelines, medians of interleaved rounds."""
    took: dict[str, list[Took]] = {}

    def time_it(name: str, work: Callable[[], object]) -> object:
        spent, result = timed(work)
        took.setdefault(name, []).append(spent)
        return result

    sealed_bytes = 0
    for _ in range(rounds):
        sealed = time_it("seal", lambda: seal(made, blob))
        raw = time_it("raw_seal", lambda: raw_seal(content, compressed=True))
        bare = time_it("aes_seal", lambda: raw_seal(content, compressed=False))
        time_it("open", lambda sealed=sealed: load(sealed))
        time_it("raw_open", lambda raw=raw: raw_load(raw, compressed=True))
        time_it("aes_open", lambda bare=bare: raw_load(bare, compressed=False))
        sealed_bytes = sum(map(len, sealed[1]))
    size = len(content) / MB
    figures: dict[str, object] = {}
    for name, spent in took.items():
        figures[f"{name}_mb_s"] = round(size / statistics.median(one.wall_s for one in spent), 1)
    figures["cpu_ms"] = {name: round(1000 * statistics.median(one.cpu_s for one in took[name]), 1) for name in took}
    for name in ("seal", "open"):
        for yardstick in ("raw", "aes"):
            pairs = list(zip(took[name], took[f"{yardstick}_{name}"], strict=True))
            wall = statistics.median(theirs.wall_s / ours.wall_s for ours, theirs in pairs)
            cpu = statistics.median(theirs.cpu_s / ours.cpu_s for ours, theirs in pairs)
            figures |= {f"{name}_of_{yardstick}": round(wall, 3), f"{name}_cpu_of_{yardstick}": round(cpu, 3)}
    return figures | {
        "threads": {"open": 2, "all else": 1},
        "content_mb": round(size, 1),
        "sealed_of_content": round(sealed_bytes / len(content), 3),
    }


def change(texts: list[str], size_bytes: int) -> dict[str, float]:
    """Return which share of a bundle is uploaded anew after a hundredth of it has changed, in one place."""
    figures = {}
    count = len(list(records(texts, size_bytes)))
    versions = [seal(list(records(texts, size_bytes, changed=changed)), b"") for changed in (0, count // 100)]
    figures["text"] = versions
    blob = tensors(size_bytes)
    middle, width = len(blob) // 2, len(blob) // 100
    altered = blob[:middle] + tensors(width)[-width:] + blob[middle + width :]
    figures["tensors"] = [seal([], blob), seal([], altered)]
    shares = {}
    for kind, (before, after) in figures.items():
        known = set(before[1])
        new = sum(len(data) for data in after[1] if data not in known)
        shares[f"{kind}_new_share"] = round(new / sum(map(len, after[1])), 4)
    return shares | {"content_mb": size_bytes / MB}


def recipients() -> dict[str, float]:
    """Return milliseconds for one more recipient, and what is encrypted again: the grant alone is made."""
    from support import bundles

    press, figures = bundles.Publisher(), {}
    sealed = press.seal([bundles.text_record("c", "text")])
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(100):
            press.grant(sealed)
        figures["add_recipient_ms"] = round((time.perf_counter() - began) * 10, 3)
    return figures | {"bytes_encrypted_again": 0}


def peak_kib() -> int:
    """Return the most memory that this process has held, in KiB: `getrusage` would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def memory_child(texts: list[str], size_bytes: int, *, as_tensors: bool) -> dict[str, float]:
    """Stream a bundle to the disk and back; return by how much the process grew, in MB."""
    from memporium.transfer.v1.bundle_pb2 import Manifest
    from memporium_platform.bundle.content import ContentVerifier
    from memporium_platform.bundle.keys import BundleKey, LineSecret
    from memporium_platform.bundle.pipeline import verified
    from memporium_platform.bundle.writer import BundleWriter
    from support import bundles

    identity = bundles.Publisher().seal([]).identity
    # The passages themselves are no part of what is measured, nor what was needed to make them.
    Path("/proc/self/clear_refs").write_text("5")
    base = peak_kib()
    with tempfile.TemporaryDirectory() as name:
        folder, writer, segments = Path(name), BundleWriter(LineSecret(bytes(32)), bytes(32)), 0

        def store(made) -> None:
            nonlocal segments
            for segment in made:
                (folder / str(segments)).write_bytes(segment.data)
                segments += 1

        if not as_tensors:
            for record, cube in records(texts, size_bytes):
                store(writer.add_record(record, cube=cube))
        store(writer.end_records())
        if as_tensors:
            header = {"k": {"dtype": "F16", "shape": [size_bytes // 2], "data_offsets": [0, size_bytes // 2 * 2]}}
            text = json.dumps(header).encode()
            writer.begin_tensors("00" * 32)
            store(writer.add_tensors(len(text).to_bytes(8, "little") + text))
            draw = np.random.default_rng(1)
            for start in range(0, size_bytes // 2 * 2, MB):
                count = min(MB, size_bytes // 2 * 2 - start) // 2
                store(writer.add_tensors(draw.standard_normal(count, dtype=np.float32).astype(np.float16).tobytes()))
            store(writer.end_tensors())
        sealed = peak_kib()
        content = ContentVerifier(Manifest.FromString(writer.manifest(identity)), BundleKey(bytes(32)))
        for _ in verified(content, range(segments), lambda index: (folder / str(index)).read_bytes()):
            pass
        opened = peak_kib()
    kib = 1024 / MB
    return {
        "content_mb": size_bytes / MB,
        "segments": segments,
        "seal_peak_mb": round((sealed - base) * kib, 1),
        "open_peak_mb": round((opened - base) * kib, 1),
        "process_mb": round(opened * kib, 1),
    }


async def service(texts: list[str], size_bytes: int) -> dict[str, float]:
    """Dump a vault and load it again over gRPC; return MB/s of the cubes' text and vectors."""
    from memporium.transfer.v1 import transfer_service_pb2 as pb
    from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
    from memporium.vault.v1 import vault_service_pb2 as vault_pb
    from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
    from support.integration_transfer import collect
    from support.platform import running_platform

    os.environ["MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL"] = "hashing-384"
    services = ("governance", "vault", "inference", "transfer")
    with tempfile.TemporaryDirectory() as name:
        async with running_platform(services, data_dir=Path(name)) as platform:
            channel = platform.channel((await platform.organisation("acme")).owner_key)
            vaults, transfer = VaultServiceStub(channel), TransferServiceStub(channel)
            vault = "orgs/acme/vaults/a"
            # The passages come round again: as near duplicates they would all be related to each other.
            made = {"near_duplicates": "NEAR_DUPLICATE_POLICY_IGNORE"}
            await vaults.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/acme", vault_id="a", vault=made))
            count = max(1, size_bytes // PASSAGE)
            for start in range(0, count, 500):
                request = vault_pb.BatchCreateCubesRequest(parent=vault, request_id=str(uuid.uuid4()))
                for number, text in islice(enumerate(cycle(texts)), start, min(start + 500, count)):
                    request.cubes.add().cube.payload.plaintext.document.text = f"{number} {text}"
                await vaults.BatchCreateCubes(request)
            began = time.perf_counter()
            request = pb.DumpVaultRequest(vault=vault, request_id=str(uuid.uuid4()))
            progress, bundle = None, None
            async for response in transfer.DumpVault(request):
                if response.HasField("progress"):
                    progress = response.progress
                else:
                    bundle = response.bundle
            dump_s = time.perf_counter() - began
            began = time.perf_counter()
            request = pb.LoadBundleRequest(
                parent="orgs/acme", bundle=bundle.name, vault_id="b", request_id=str(uuid.uuid4())
            )
            content = 0
            async for response in transfer.LoadBundle(request):
                content = max(content, response.progress.bytes)
            load_s = time.perf_counter() - began
            await collect(transfer.VerifyBundle(pb.VerifyBundleRequest(parent="orgs/acme", bundle=bundle.name)))
            began = time.perf_counter()
            await collect(transfer.VerifyBundle(pb.VerifyBundleRequest(parent="orgs/acme", bundle=bundle.name)))
            verify_s = time.perf_counter() - began
    assert progress is not None
    size = content / MB
    return {
        "cubes": count,
        "content_mb": round(size, 1),
        "dump_mb_s": round(size / dump_s, 2),
        "load_mb_s": round(size / load_s, 2),
        "verify_mb_s": round(size / verify_s, 1),
        "dump_cubes_s": round(count / dump_s),
        "load_cubes_s": round(count / load_s),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--megabytes", type=int, default=64, help="content of each comparison")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-megabytes", type=int, default=1000)
    parser.add_argument("--service-megabytes", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="16 MB, one round, 2 MB over gRPC: some twenty seconds")
    parser.add_argument("--memory-child", choices=["text", "tensors"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.megabytes, arguments.rounds = 16, 1
        arguments.memory_megabytes, arguments.service_megabytes = 64, 2
    texts, size = passages(arguments.data), arguments.megabytes * MB
    if arguments.memory_child:
        texts = texts[: 8 * MB // PASSAGE]
    if arguments.memory_child:
        as_tensors = arguments.memory_child == "tensors"
        print(json.dumps(memory_child(texts, arguments.memory_megabytes * MB, as_tensors=as_tensors)))
        return

    def peak(kind: str, megabytes: int) -> dict[str, float]:
        command = [sys.executable, __file__, "--memory-child", kind, "--memory-megabytes", str(megabytes)]
        command += ["--data", str(arguments.data)] if arguments.data else []
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    made, small = list(records(texts, size)), list(records(texts, 10 * MB))
    blob = tensors(size)
    largest = arguments.memory_megabytes
    report = {
        "benchmark": "bundle",
        "quick": arguments.quick,
        "python": machine.python_version(),
        "cores": os.cpu_count(),
        "text": compare(b"".join(record for record, _ in made), made, b"", arguments.rounds),
        "text_10_mb": compare(b"".join(record for record, _ in small), small, b"", arguments.rounds),
        "tensors": compare(blob, [], blob, arguments.rounds),
        "tensors_10_mb": compare(blob[: 10 * MB], [], tensors(10 * MB), arguments.rounds),
        "change": change(texts, max(size, 400 * MB) if not arguments.quick else 64 * MB),
        "recipients": recipients(),
        "memory": {f"{kind}_{mb}_mb": peak(kind, mb) for kind in ("text", "tensors") for mb in (10, largest)},
        "service": asyncio.run(service(texts, arguments.service_megabytes * MB)),
    }
    text = json.dumps(report)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
