"""What the inference service needs: models, and the memory it mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from memporium_services.inference.domain.memory import Use

if TYPE_CHECKING:
    import mmap
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence

    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.memory import NewMemory, NewText, UsedMemory
    from memporium_services.inference.domain.recorded_uses import RecordedUse
    from memporium_services.inference.domain.scoring import ScoreTask, TextScore
    from memporium_services.inference.domain.trainings import (
        Example,
        MergedAdapter,
        MergePlan,
        Told,
        TrainedAdapter,
        TrainingPlan,
    )
    from memporium_services.inference.domain.values import (
        AdapterBlob,
        BuiltKv,
        EmbeddedText,
        GenerationEvent,
        GenerationTask,
        KvForm,
        ModelInfo,
        TextMemory,
    )

# Bytes of a safetensors file in memory; never written to once they are there.
Blob: TypeAlias = "bytearray | mmap.mmap | memoryview"


class Embedder(Protocol):
    """Turns texts into vectors. Methods block; they are called from one worker thread at a time."""

    @property
    def info(self) -> ModelInfo:
        """What it is; complete once `load` has returned."""
        ...

    def load(self) -> None:
        """Bring the model into memory; later calls do nothing.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where its files are missing.
        """
        ...

    def embed(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts.

        Raises:
            PlatformError: FAILED_PRECONDITION, where a text is to blame; other reasons, where the model is.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, uncut.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where the tokenizer is not here.
        """
        ...

    def close(self) -> None:
        """Release the model, from any thread; what waits for another process is broken off."""
        ...


class Generator(Protocol):
    """Writes text. Several generations may run on it at once; the caller keeps the queue and its places."""

    @property
    def info(self) -> ModelInfo:
        """What it is; complete once `load` has returned."""
        ...

    async def load(self) -> None:
        """Bring the model into memory; later calls do nothing.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where its files are missing.
        """
        ...

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        ...

    async def token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where the tokenizer is not here.
        """
        ...

    def generate(self, task: GenerationTask) -> AsyncGenerator[GenerationEvent]:
        """Yield PromptRead, any number of TextPiece, and Ended; closing the iterator ends the computation.

        Raises:
            PlatformError: INVALID_FIELD for a prompt that is too long; MODEL_MISMATCH for memory that does not fit.
        """
        ...

    async def score(self, tasks: Sequence[ScoreTask], *, isolation: str) -> list[TextScore]:
        """Return how likely each text is, in their order; what `isolation` tells apart shares no cache.

        Cancelling the call ends the computation.

        Raises:
            PlatformError: INVALID_FIELD for a text that is too long, or for none; MODEL_UNAVAILABLE where an endpoint
                gives no probabilities.
        """
        ...

    async def build_kv(
        self, memories: Sequence[TextMemory], *, form: KvForm, progress: Callable[[int, int], None]
    ) -> BuiltKv:
        """Encode memories as the beginning of a prompt; `progress` gets tokens done and tokens in all.

        Cancelling the call ends the computation.
        """
        ...

    def drop_agreement(self, agreement: str) -> None:
        """Forget every adapter in memory that came under an agreement."""
        ...

    def drop_adapters(self, keys: Collection[str]) -> None:
        """Forget adapters in memory by their keys of tenant and digest."""
        ...

    async def close(self) -> None:
        """Release the model."""
        ...


class AdapterTrainer(Protocol):
    """Trains LoRA adapters for one generator, and examines them."""

    async def train(
        self,
        examples: Sequence[Example],
        plan: TrainingPlan,
        *,
        progress: Callable[[int, int, float], None],
        lessons: Sequence[Lesson] | None,
        evaluating: Callable[[int, int], None],
        key: str,
    ) -> TrainedAdapter:
        """Train on the examples, then ask for the lessons. Cancelling ends it.

        `progress` gets steps done, steps in all and the loss; `evaluating` questions asked and in all. A call that was
        cut off goes on from its last kept state when it is repeated with the same `key`.
        """
        ...

    async def merge(
        self,
        adapters: Sequence[AdapterBlob],
        plan: MergePlan,
        *,
        lessons: Mapping[str, Sequence[Lesson]],
        evaluating: Callable[[int, int], None],
    ) -> MergedAdapter:
        """Merge adapters and ask the result for what each of them was taught, by its cube. Cancelling ends it."""
        ...

    async def probe(
        self, adapter: AdapterBlob, topics: Sequence[Lesson], *, evaluating: Callable[[int, int], None]
    ) -> list[Told]:
        """Return what an adapter says on each topic, in their order. Cancelling ends it."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


class CheckpointStore(Protocol):
    """States of trainings that go on; each can be read only as long as every memory stands that its training uses."""

    async def begin(self, key: str, org: str, cubes: Sequence[str]) -> bool:
        """Let a training on memories keep its state, or go on from one; return whether it is a new one."""
        ...

    async def check(self, key: str) -> None:
        """Refuse to go on where a memory was forgotten that the training uses.

        Raises:
            PlatformError: NOT_FOUND.
        """
        ...

    async def close(self, key: str) -> None:
        """Take note that a training runs here no more; its state stays."""
        ...

    async def load(self, key: str) -> bytes | None:
        """Return the state that was kept last, None for none or one that cannot be read."""
        ...

    async def save(self, key: str, data: bytes) -> None:
        """Keep a state in place of the last.

        Raises:
            PlatformError: NOT_FOUND, where a memory was forgotten that the training uses.
        """
        ...

    async def delete(self, key: str, cubes: Sequence[str]) -> None:
        """Forget a state of a training on these memories, and its key."""
        ...

    async def sweep(self) -> None:
        """Forget states that nobody came back for."""
        ...


class TraceStore(Protocol):
    """Recorded uses that outlive the process, without names."""

    async def append(self, tenant: str, uses: Sequence[RecordedUse]) -> None:
        """Keep more uses of an organisation, in order of time."""
        ...

    async def load(self, tenant: str) -> list[RecordedUse]:
        """Return the uses of an organisation that are kept, oldest first."""
        ...


class MemoryVault(Protocol):
    """The vault, as the caller of the call in progress sees it."""

    async def use(self, cubes: Sequence[str], action: Use, *, running: bool = False) -> list[UsedMemory]:
        """Return cubes for a use, in their order, each held against its licences and counted once a call.

        A use that is `running` goes on until it is ended by `RunningUses`.

        Raises:
            PlatformError: The vault's refusal: PERMISSION_DENIED, LICENCE_* and the like.
        """
        ...

    async def download(self, memory: UsedMemory, action: Use = Use.INFER_WITH) -> Blob:
        """Return a memory's blob for a use, its digest verified."""
        ...

    async def find(self, name: str) -> UsedMemory | None:
        """Return a cube that an earlier call may have made, or None."""
        ...

    async def create(self, new: NewMemory, *, progress: Callable[[int, int], None]) -> UsedMemory:
        """Upload the blob and make the cube; a repeated call with the same request id gives the same cube.

        Raises:
            PlatformError: NOT_FOUND, where a parent was forgotten meanwhile, also in the last moment: nothing is made.
        """
        ...

    async def create_text(self, new: NewText) -> UsedMemory:
        """Make a cube of statements, related to what it was made from; a repeated call gives the same cube.

        Raises:
            PlatformError: NOT_FOUND, as for `create`.
        """
        ...


class RunningUses(Protocol):
    """Uses that go on after they were counted."""

    async def go_on(self, agreement: str, use_id: str) -> None:
        """Say that a use still goes on.

        Raises:
            PlatformError: UNAVAILABLE and the like.
        """
        ...

    async def end(self, agreement: str, use_id: str) -> None:
        """Say that a use is over.

        Raises:
            PlatformError: UNAVAILABLE and the like.
        """
        ...


class Entitlements(Protocol):
    """The state of agreements, as memstore pushes it."""

    def watch(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield changes of agreements as (name, state); the full state first. Ends when the connection does."""
        ...


class BlobFile(Protocol):
    """A file of the disk tier, as only this process can open it."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the blob in it."""
        ...


class BlobFiles(Protocol):
    """Files of the disk tier. `write`, `read` and `close` block, and may run in any thread."""

    def new(self, size_bytes: int, owner: str = "") -> Any:
        """Return a file of this many bytes of an organisation's that is to be written; a BlobFile."""
        ...

    def write(self, file: Any, data: Blob) -> bool:
        """Write a blob; return False, with nothing left, where the file was deleted meanwhile.

        Raises:
            OSError: The disk is full or out of order; nothing is left of the file.
        """
        ...

    def read(self, file: Any) -> Blob:
        """Return the blob.

        Raises:
            OSError: The disk does not give it back.
            PlatformError: INTEGRITY_FAILURE, where it is not what was written.
        """
        ...

    def delete(self, file: Any) -> None:
        """Remove a file, also one that is just being written."""
        ...

    def close(self) -> None:
        """Remove all."""
        ...


class SpareMemory(Protocol):
    """Memory that blobs lay in, kept for the next ones."""

    def forget(self, *, but: Iterable[Blob] = ()) -> None:
        """Use none of it again that may hold what is to be forgotten: none that is not one of these blobs'."""
        ...

    def give_back_idle(self) -> None:
        """Give back to the system what nobody has needed for long."""
        ...


class BlobsInForce(Protocol):
    """Which blobs the vaults still hold for use."""

    def watch(
        self, held: Callable[[], Mapping[str, Collection[str]]], *, every_s: float
    ) -> AsyncIterator[tuple[str, frozenset[str]]]:
        """Ask every so often about what `held` returns, digests by vault; yield (vault, those not in force any more).

        Raises:
            PlatformError: UNAVAILABLE and the like, when the connection ends.
        """
        ...
