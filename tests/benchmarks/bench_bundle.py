"""Dump and load of sealed bundles beside bare AES-256-GCM (behind zstd for text) on the same data, in interleaved rounds.

`format` is the bundle format alone: records or a tensor file to sealed segments in memory, and back through every
check. `raw` cuts the same content into pieces of 4 MiB, compresses text at the same level and encrypts: no keys by
content, no digests, no padding, no checks. `aes` is AES-256-GCM alone on the same content, uncompressed, with a new
buffer for each piece, as all of them have. `service` is DumpVault and LoadBundle over gRPC with the real vault, the
folder store and SQLite. Peak memory is that of a process of its own that streams a bundle from and to the disk.

Text is that of `--data` (any file or folder of UTF-8 text), else the documentation strings of the standard library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import pydoc_data.topics
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
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
        text = "\n".join(pydoc_data.topics.topics.values())
    else:
        files = sorted(path for path in data.rglob("*") if path.is_file()) if data.is_dir() else [data]
        text = "\n".join(path.read_text(errors="replace") for path in files)
    return [text[start : start + PASSAGE] for start in range(0, len(text), PASSAGE)]


def records(texts: list[str], size_bytes: int) -> Iterator[bytes]:
    """Yield records of cubes: the passages over and over, each with a number of its own."""
    from memporium.transfer.v1.record_pb2 import BundleRecord

    made = 0
    for number, text in enumerate(cycle(texts)):
        record = BundleRecord()
        record.cube.cube.name = f"orgs/a/vaults/v/cubes/c{number}"
        record.cube.cube.payload.plaintext.document.text = f"{number} {text}"
        data = record.SerializeToString()
        made += len(data)
        yield data
        if made >= size_bytes:
            return


def tensors(size_bytes: int) -> bytes:
    """Return a safetensors file of random float16 numbers."""
    numbers = np.random.default_rng(1).standard_normal(size_bytes // 2).astype(np.float16).tobytes()
    entry = {"dtype": "F16", "shape": [len(numbers) // 2], "data_offsets": [0, len(numbers)]}
    header = json.dumps({"k": entry}).encode()
    return len(header).to_bytes(8, "little") + header + numbers


def seal(texts: list[bytes], blob: bytes):
    """Seal a bundle in memory with the format alone; return it as tests do."""
    from support.bundles import Publisher

    return Publisher().seal(texts, [blob] if blob else [])


def load(sealed) -> int:
    """Verify a bundle with every check; return the size of its content."""
    from memporium_services.transfer.app.records import check
    from support import bundles

    documents = bundles.Publisher().documents(sealed)
    return sum(map(len, bundles.load(documents, sealed.objects, bundles.policy(check_record=check))))


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


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return the seconds of CPU that `work` takes, and its result: the machine is shared."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def compare(content: bytes, texts: list[bytes], blob: bytes, rounds: int) -> dict[str, float]:
    """Return MB/s of the format and of the bare cipher, median of interleaved rounds."""
    compressed = bool(texts)
    took: dict[str, list[float]] = {
        name: [] for name in ("dump", "raw_dump", "aes_dump", "load", "raw_load", "aes_load")
    }
    sealed_bytes = 0
    for _ in range(rounds):
        seconds, sealed = timed(lambda: seal(texts, blob))
        took["dump"].append(seconds)
        seconds, raw = timed(lambda: raw_seal(content, compressed=compressed))
        took["raw_dump"].append(seconds)
        seconds, bare = timed(lambda: raw_seal(content, compressed=False))
        took["aes_dump"].append(seconds)
        took["load"].append(timed(lambda sealed=sealed: load(sealed))[0])
        took["raw_load"].append(timed(lambda raw=raw: raw_load(raw, compressed=compressed))[0])
        took["aes_load"].append(timed(lambda bare=bare: raw_load(bare, compressed=False))[0])
        sealed_bytes = sum(map(len, sealed.objects.values()))
    size = len(content) / MB
    figures = {f"{name}_mb_s": round(size / statistics.median(values), 1) for name, values in took.items()}
    for name in ("dump", "load"):
        for yardstick in ("raw", "aes"):
            ratios = [theirs / ours for ours, theirs in zip(took[name], took[f"{yardstick}_{name}"], strict=True)]
            figures[f"{name}_of_{yardstick}"] = round(statistics.median(ratios), 3)
    return figures | {"content_mb": round(size, 1), "sealed_of_content": round(sealed_bytes / len(content), 3)}


def peak_kib() -> int:
    """Return the most memory that this process has held, in KiB: `getrusage` would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def memory_child(texts: list[str], size_bytes: int) -> dict[str, float]:
    """Stream a bundle to the disk and back; return by how much the process grew, in MB."""
    from memporium_platform.bundle.dsse import sign
    from memporium_platform.bundle.keys import LineSecret
    from memporium_platform.bundle.verifier import BundleVerifier
    from memporium_platform.bundle.writer import BundleWriter
    from support import bundles

    press, key = bundles.Publisher(), bundles.secret("key")
    base = peak_kib()
    with tempfile.TemporaryDirectory() as name:
        folder, writer, segments = Path(name), BundleWriter(LineSecret(press.line_secret), key), 0
        for record in records(texts, size_bytes):
            for segment in writer.add_record(record):
                (folder / segment.sha256.hex()).write_bytes(segment.data)
                segments += 1
        for segment in writer.end_records():
            (folder / segment.sha256.hex()).write_bytes(segment.data)
            segments += 1
        dumped = peak_kib()
        identity = press.seal([]).identity
        manifest = sign(writer.manifest(identity, cube_count=0), bundles.MANIFEST_TYPE, press.signers)
        verifier = BundleVerifier(bundles.policy())
        list(verifier.documents(press.documents(bundles.Sealed(manifest, {}, key, identity))))
        content = verifier.content()
        for index, segment in enumerate(verifier.manifest.segments):
            content.segment(index, (folder / segment.sha256.hex()).read_bytes())
        content.finish()
        loaded = peak_kib()
    kib = 1024 / MB
    return {
        "content_mb": size_bytes / MB,
        "segments": segments,
        "dump_peak_mb": round((dumped - base) * kib, 1),
        "load_peak_mb": round((loaded - base) * kib, 1),
        "process_mb": round(loaded * kib, 1),
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
    parser.add_argument("--service-megabytes", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="16 MB, one round, 2 MB over gRPC: some twenty seconds")
    parser.add_argument("--memory-child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.megabytes, arguments.rounds, arguments.service_megabytes = 16, 1, 2
    texts, size = passages(arguments.data), arguments.megabytes * MB
    if arguments.memory_child:
        print(json.dumps(memory_child(texts, 4 * size)))
        return
    made = list(records(texts, size))
    blob = tensors(size)
    command = [sys.executable, __file__, "--memory-child", "--megabytes", str(arguments.megabytes)]
    if arguments.data:
        command += ["--data", str(arguments.data)]
    report = {
        "benchmark": "bundle",
        "quick": arguments.quick,
        "python": machine.python_version(),
        "cores": os.cpu_count(),
        "text": compare(b"".join(made), made, b"", arguments.rounds),
        "tensors": compare(blob, [], blob, arguments.rounds),
        "memory": json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout),
        "service": asyncio.run(service(texts, arguments.service_megabytes * MB)),
    }
    text = json.dumps(report)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
