"""Models behind vLLM: text, KV memory by its tokens, LoRA memory loaded while it runs.

A memory always stands first, so vLLM's automatic prefix caching computes it once; what it keeps is shared within an
organisation and the same agreements alone, by `cache_salt`. With the model's own files at hand prompts go as tokens,
the same as models in the process read. vLLM keeps keys and values in a form of its own: of a KV cube its tokens are
sent, which are the same memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.adapters.generators import remote_likelihood
from memporium_services.inference.adapters.generators.fingerprints import folder_fingerprint, tokenizer_fingerprint
from memporium_services.inference.adapters.generators.kv_tokens import tokens_of
from memporium_services.inference.adapters.generators.openai_compatible import OpenAiCompatibleGenerator
from memporium_services.inference.adapters.generators.vllm_adapters import VllmAdapters
from memporium_services.inference.adapters.generators.vllm_version import check_version
from memporium_services.inference.domain.values import Composition, Ended, Kind, ModelInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence
    from pathlib import Path

    from memporium_services.inference.adapters.generators.chat import ChatFormat
    from memporium_services.inference.domain.scoring import ScoreTask, TextScore
    from memporium_services.inference.domain.values import BuiltKv, GenerationEvent, GenerationTask, KvForm, TextMemory

# What a request does not say the server takes from the model's own `generation_config.json`: Qwen2.5 would be given a
# repetition penalty and a narrower choice that models in the process do not have, also where nothing is left to chance.
_NEUTRAL = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


class VllmGenerator(OpenAiCompatibleGenerator):
    """One model of one vLLM server."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        context_tokens: int = 0,
        timeout_s: float = 120.0,
        folder: Path | None = None,
        adapters_folder: Path | None = None,
        server_adapters_folder: str = "",
        most_adapters: int = 8,
        secret: Callable[[str], bytes],
    ) -> None:
        """Ask this server.

        Args:
            name: Name to ask for it by.
            base_url: Up to and with `/v1`.
            model: The server's own name of the model.
            api_key: Sent as a bearer token; "": none.
            context_tokens: Most tokens that the model reads at once.
            timeout_s: Longest silence of the server.
            folder: The model's files, the same as the server's; None: memory mounts as text only.
            adapters_folder: Where adapters are written for the server to read; None: none are mounted.
            server_adapters_folder: The same folder as the server sees it; "": as here.
            most_adapters: Adapters that stay loaded.
            secret: Derives a secret from a label, for ever the same: what salts are made with.
        """
        super().__init__(
            name,
            base_url=base_url,
            model=model,
            api_key=api_key,
            context_tokens=context_tokens,
            timeout_s=timeout_s,
        )
        self._folder, self._secret = folder, secret
        self._chat: ChatFormat | None = None
        self._loading = asyncio.Lock()
        self._known = False
        self.info = ModelInfo(name=name, kind=Kind.GENERATOR, engine="vllm", context_tokens=context_tokens)
        self._adapters = VllmAdapters(
            self._client,
            model=model,
            folder=adapters_folder,
            server_folder=server_adapters_folder,
            most=most_adapters,
        )

    async def load(self) -> None:
        """Take the fingerprint of the model's files, and its tokenizer; later calls do nothing.

        Raises:
            PlatformError: MODEL_UNAVAILABLE: there are no such files.
        """
        async with self._loading:
            if not self.info.loaded:
                self.info = await asyncio.to_thread(self._read_folder)

    async def _ready(self) -> None:
        """Load, and have asked the server once which it is.

        Raises:
            PlatformError: MODEL_UNAVAILABLE: its files are missing, or it does not keep tenants apart.
        """
        await self.load()
        if not self._known:
            self._known = await check_version(self._client, model=self._model)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return [len(await self.token_ids(text)) for text in texts]

    async def token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        await self.load()
        if self._chat is None:
            return await super().token_ids(text)
        return self._chat.text_ids(text)

    async def build_kv(
        self, memories: Sequence[TextMemory], *, form: KvForm, progress: Callable[[int, int], None]
    ) -> BuiltKv:
        """Refuse: vLLM gives its keys and values to nobody."""
        progress(0, 0)
        raise self._unavailable(
            f"keeps KV caches to itself and gives none as {form.value}: mount the {len(memories)} memories as text, "
            "which it computes once"
        )

    async def generate(self, task: GenerationTask) -> AsyncGenerator[GenerationEvent]:
        """Yield PromptRead with the first text, TextPieces, and Ended; closing the iterator drops the connection."""
        await self._ready()
        path, body = self._asked(task)
        begun = False
        for again in (False, True):
            async with self._adapters.mounted(task.adapters, again=again) as model:
                stream = self._stream(path, {**body, "model": model}, task.sampling)
                try:
                    async with aclosing(stream) as events:
                        async for event in events:
                            begun = True
                            yield self._telling(event, task) if isinstance(event, Ended) else event
                except PlatformError as err:
                    # A server that was started anew knows no adapters: it is given them once more.
                    if again or begun or not task.adapters or err.reason is not Reason.MODEL_UNAVAILABLE:
                        raise
                else:
                    return

    async def score(self, tasks: Sequence[ScoreTask], *, isolation: str) -> list[TextScore]:
        """Return how likely each text is: with the model's files at hand by its own tokens, else by an echo."""
        await self._ready()
        chat = self._chat
        if chat is None:
            echo = {**remote_likelihood.echo_request(tasks), "cache_salt": self._salt(isolation)}
            return await self._scored(echo, lambda told: remote_likelihood.read_echo(told, tasks))
        rows = [
            (
                chat.rest_ids(task.turns, task.prompt, after_memory=False),
                chat.answer_ids(task.continuation, of_turns=bool(task.turns)),
            )
            for task in tasks
        ]
        body = {
            "prompt": [[*prompt, *text] for prompt, text in rows],
            "prompt_logprobs": 1,
            "max_tokens": 1,
            "temperature": 0,
            "cache_salt": self._salt(isolation),
        }
        return await self._scored(body, lambda told: remote_likelihood.read_prompt_logprobs(told, rows))

    def drop_agreement(self, agreement: str) -> None:
        """Unload every adapter that came under an agreement."""
        self._adapters.drop_agreement(agreement)

    def drop_adapters(self, keys: Collection[str]) -> None:
        """Unload adapters by their keys."""
        self._adapters.drop(keys)

    async def close(self) -> None:
        """Unload the adapters and close the connections."""
        await self._adapters.close()
        await super().close()

    def _asked(self, task: GenerationTask) -> tuple[str, dict[str, Any]]:
        if task.kvs and self._chat is None:
            raise PlatformError(
                Reason.MODEL_MISMATCH, f"model {self.info.name} mounts no KV memory: its setting names no folder"
            )
        if len(task.kvs) > 1 and task.compose.composition is not Composition.EXACT:
            raise PlatformError(Reason.MODEL_MISMATCH, f"model {self.info.name} composes KV memories as EXACT alone")
        path, body = self._request(task)
        body = {**_NEUTRAL, **body}
        if self._chat is not None:
            path, body = "/completions", {**body, "prompt": self._prompt(self._chat, task)}
            body.pop("messages", None)
        body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
        body["return_token_ids"] = True
        body["cache_salt"] = self._salt(task.isolation)
        return path, body

    def _salt(self, isolation: str) -> str:
        key = self._secret("vllm cache salt")[:64]
        return hashlib.blake2b(isolation.encode(), key=key, digest_size=24).hexdigest()

    def _prompt(self, chat: ChatFormat, task: GenerationTask) -> list[int]:
        ids = [token for kv in task.kvs for token in tokens_of(kv, fingerprint=self.info.fingerprint)]
        ids += chat.memory_ids(task.memories)
        ids += chat.rest_ids(task.turns, task.prompt, after_memory=bool(ids))
        limit = min(task.max_prompt_tokens or len(ids), self.info.context_tokens or len(ids))
        if not ids:
            raise invalid("prompt", "must not be empty")
        if len(ids) > limit:
            raise invalid("prompt", f"has {len(ids)} tokens with its memory; at most {limit} are read, and none is cut")
        return ids

    def _telling(self, ended: Ended, task: GenerationTask) -> Ended:
        """Say at the end what the mounted KV caches say: answers are held against it."""
        if self._chat is None or not task.kvs:
            return ended
        fingerprint = self.info.fingerprint
        texts = tuple(self._chat.decode(tokens_of(kv, fingerprint=fingerprint)) for kv in task.kvs)
        return replace(ended, kv_texts=texts)

    def _read_folder(self) -> ModelInfo:
        known = self.info
        if self._folder is None:
            return ModelInfo(known.name, known.kind, known.engine, context_tokens=known.context_tokens, loaded=True)
        fingerprint = folder_fingerprint(self._folder)
        if not fingerprint:
            raise self._unavailable("has no files: its folder has no config.json or no safetensors weights")
        # With the tokenizer only: the weights are the server's matter, and torch need not be here.
        try:
            from transformers import AutoTokenizer

            from memporium_services.inference.adapters.generators.chat import ChatFormat
        except ImportError as err:
            raise self._unavailable("needs memporium[inference] to read its tokenizer") from err
        tokenizer = AutoTokenizer.from_pretrained(str(self._folder), local_files_only=True)
        self._chat = ChatFormat(tokenizer)
        return ModelInfo(
            name=known.name,
            kind=known.kind,
            engine=known.engine,
            fingerprint=fingerprint,
            tokenizer_fingerprint=tokenizer_fingerprint(self._folder),
            context_tokens=known.context_tokens,
            loaded=True,
            supports_memory=True,
        )
