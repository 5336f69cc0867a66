"""Two organisations with equal and different memories over one model, and the two mistakes that would tell."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from itertools import count

from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.domain.memory import ActivationRef, BlobRef, Form, UsedMemory
from memporium_services.inference.domain.values import KvBlob, TextMemory
from support.timing_channel import Channel, confirmed, generation, measure

# From a vault beside the service, with its decryption.
DOWNLOAD_S = 0.05
TEXT = "The treasurer signs on Tuesdays, behind the second door. " * 12


class Memories:
    """Two organisations' cubes, of the same bytes and not, in a vault that takes its time."""

    def __init__(self, built, fingerprint, form):
        self._built, self._fingerprint, self._form = built, fingerprint, form
        self._numbers = count()
        self.cubes = {}
        self.waited_s = 0.0

    def clock(self):
        """Return the time of a machine that does nothing else: that of the processor, and of waiting for the vault."""
        return time.process_time() + self.waited_s

    def fresh(self):
        number = next(self._numbers)
        names = []
        for name, secret in (("victim", number), ("equal", number), ("other", -number - 1)):
            names.append(f"orgs/{name}/vaults/v/cubes/c{number}")
            self.cubes[names[-1]] = self._cube(names[-1], secret)
        return tuple(names)

    def _cube(self, name, secret):
        if self._form is Form.PLAINTEXT:
            return UsedMemory(name, Form.PLAINTEXT, text=f"{secret:09d} {TEXT}")
        what = ActivationRef(
            self._fingerprint, "t", self._built.token_ids_sha256, self._built.token_count, 3, 2, 16, "float16"
        )
        digest = hashlib.sha256(str(secret).encode()).hexdigest()
        return UsedMemory(name, Form.ACTIVATION, blob=BlobRef(digest, len(self._built.data)), activation=what)

    async def use(self, cubes, action, *, running=False):
        return [self.cubes[name] for name in cubes]

    async def download(self, memory):
        self.waited_s += DOWNLOAD_S
        await asyncio.sleep(0)
        return bytearray(self._built.data)


class SharedCache(BlobCache):
    """The mistake: blobs are kept by their digest alone."""

    async def get(self, tenant, digest, load, **options):
        return await super().get("everybody", digest, load, **options)


class SharedPrefixes:
    """The other mistake: keys and values of a text are kept for whoever sends that text."""

    def __init__(self, inner):
        self._inner, self._kept = inner, {}
        self.load = inner.load

    @property
    def info(self):
        return self._inner.info

    async def generate(self, task):
        if task.memories in self._kept:
            task = replace(task, memories=(), kvs=(self._kept[task.memories],))
        else:
            built = await self._inner.build_kv(task.memories, progress=lambda *_: None)
            self._kept[task.memories] = KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)
        async for event in self._inner.generate(task):
            yield event


async def channel_of(generator, form, *, cache=BlobCache, model=lambda own: own, pairs=12) -> Channel:
    """Measure the channel over a loaded model, with its caches as they are or as a mistake would have them."""
    built = await generator.build_kv([TextMemory(TEXT)], progress=lambda *_: None)

    async def again():
        memories = Memories(built, generator.info.fingerprint, form)
        service = generation(model(generator), memories, cache(1 << 30))
        return await measure(service, memories.fresh, count=pairs, clock=memories.clock)

    return await confirmed(again)
