"""Values that the inference service works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

    import numpy as np
    import numpy.typing as npt


class Kind(StrEnum):
    """What a model is for."""

    EMBEDDER = "EMBEDDER"
    GENERATOR = "GENERATOR"


class TextUse(StrEnum):
    """What texts to embed are."""

    QUERY = "QUERY"
    DOCUMENT = "DOCUMENT"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        name: Name to ask for it by.
        kind: What it is for.
        engine: What runs it.
        fingerprint: SHA-256 over the digests of weights, configuration, tokenizer and the type of the numbers; "" where
            the model has not been loaded, or runs elsewhere.
        tokenizer_fingerprint: SHA-256 of the tokenizer; "" as `fingerprint`.
        context_tokens: Most tokens that it reads at once; 0: not known.
        dimensions: Length of an embedder's vectors.
        loaded: Whether it is in memory.
        supports_memory: Whether KV caches and adapters mount on it.
        vocabulary_size: Tokens that it chooses from; 0: it cannot watermark what it writes.
        query_prefix: What an embedder is to read before each question.
        document_prefix: What it is to read before each text of memory.
    """

    name: str
    kind: Kind
    engine: str
    fingerprint: str = ""
    tokenizer_fingerprint: str = ""
    context_tokens: int = 0
    dimensions: int = 0
    loaded: bool = False
    supports_memory: bool = False
    vocabulary_size: int = 0
    query_prefix: str = ""
    document_prefix: str = ""

    def prefixed(self, text: str, use: TextUse) -> str:
        """Return a text as an embedder is to read it; one without any word stays without."""
        prefix = self.query_prefix if use is TextUse.QUERY else self.document_prefix
        return prefix + text if prefix and text.strip() else text


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """One text's vector.

    Attributes:
        vector: (d,) float32; length one, or zero for a text without any word.
        token_count: Tokens that were read; 0 where that is not known.
        truncated: Whether the text was cut at the model's window.
    """

    vector: npt.NDArray[np.float32]
    token_count: int
    truncated: bool


class Speaker(StrEnum):
    """Who speaks in a dialogue; the values are those of chat templates."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue."""

    speaker: Speaker
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and when to end.

    Attributes:
        max_tokens: Most tokens to write.
        temperature: 0: the likeliest token.
        top_p: Only tokens of the likeliest share of this much probability; 0: all.
        seed: Seed of the choice.
        stop: Texts that end the answer.
        json_schema: What an endpoint that can is held to; "": nothing.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    json_schema: str = ""


@dataclass(frozen=True, slots=True)
class TextMemory:
    """Plaintext memory as it goes into a prompt; holds nothing that changes when the memory moves between vaults."""

    text: str
    title: str = ""
    source: str = ""


class KvForm(StrEnum):
    """How the numbers of a KV cache are kept."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    FLOAT8_E4M3 = "float8_e4m3"


class Composition(StrEnum):
    """How KV caches behind the first are brought to where they stand."""

    EXACT = "EXACT"
    RE_ROTATED = "RE_ROTATED"
    SELECTIVE = "SELECTIVE"


@dataclass(frozen=True, slots=True)
class ComposePlan:
    """How several KV caches are composed.

    Attributes:
        composition: EXACT computes every cache behind the first again; RE_ROTATED moves the keys alone; SELECTIVE moves
            them and computes some tokens again.
        recompute_share: The share of tokens that SELECTIVE computes again.
    """

    composition: Composition = Composition.EXACT
    recompute_share: float = 0.15


@dataclass(frozen=True, slots=True)
class KvBlob:
    """A KV cache as stored: a safetensors file, in memory or mapped, and what its cube says of it."""

    data: bytearray | mmap | memoryview = field(repr=False)
    token_ids_sha256: str = ""
    token_count: int = 0


@dataclass(frozen=True, slots=True)
class AdapterBlob:
    """A LoRA adapter as stored: a safetensors file and what its cube says of it."""

    key: str
    data: bytearray | mmap | memoryview = field(repr=False)
    rank: int = 8
    alpha: float = 16.0
    target_modules: tuple[str, ...] = ()
    agreements: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much a model works on at once.

    Attributes:
        requests: Most requests.
        tokens: Most tokens of all of them, prompt and answer; a greater request runs alone.
    """

    requests: int = 8
    tokens: int = 32_768


@dataclass(frozen=True, slots=True)
class GenerationTask:
    """What a generator is asked for: `turns` or `prompt`, with memory.

    Attributes:
        isolation: For whom: nothing that an engine keeps of a prompt may serve a task with another one.
    """

    sampling: Sampling
    turns: tuple[Turn, ...] = ()
    prompt: str = ""
    memories: tuple[TextMemory, ...] = ()
    kvs: tuple[KvBlob, ...] = ()
    compose: ComposePlan = field(default_factory=ComposePlan)
    adapters: tuple[AdapterBlob, ...] = ()
    max_prompt_tokens: int = 0
    watermark_keys: tuple[bytes, ...] = field(default=(), repr=False)
    isolation: str = ""


class Finish(StrEnum):
    """Why a generation ended."""

    END = "END"
    STOP = "STOP"
    LENGTH = "LENGTH"


@dataclass(frozen=True, slots=True)
class PromptRead:
    """The prompt was read.

    Attributes:
        prompt_tokens: Tokens of the whole prompt.
        cached_tokens: Those of them that came from a KV cache.
        prefill_s: Seconds of reading; 0 where not known.
        waited_s: Seconds before that, until there was room for it.
    """

    prompt_tokens: int
    cached_tokens: int = 0
    prefill_s: float = 0.0
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TextPiece:
    """The next piece of text with its tokens."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The generation is over.

    Attributes:
        finish: Why.
        prompt_tokens: Tokens of the whole prompt.
        completion_tokens: Tokens written.
        cached_tokens: Tokens of the prompt that came from a cache, where only the end tells.
        kv_texts: What the mounted KV caches say, in their order; none where the engine cannot tell.
    """

    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    kv_texts: tuple[str, ...] = ()


GenerationEvent = PromptRead | TextPiece | Ended


@dataclass(frozen=True, slots=True)
class BuiltKv:
    """A KV cache that was built: its safetensors file and shape."""

    data: bytes = field(repr=False)
    token_ids_sha256: str
    token_count: int
    layers: int
    heads: int
    head_size: int
    dtype: str
    compute_s: float
    relative_error: float = 0.0
