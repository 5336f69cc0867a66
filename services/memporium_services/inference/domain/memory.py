"""Memories as the inference service sees them: used under their licences, or to be made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from memporium_services.inference.domain.admission import AdapterReport
from memporium_services.inference.domain.values import TextMemory


class Form(StrEnum):
    """The form of a memory."""

    PLAINTEXT = "PLAINTEXT"
    ACTIVATION = "ACTIVATION"
    PARAMETER = "PARAMETER"


class Use(StrEnum):
    """What a memory is used for; the names are those of the licence terms."""

    INFER_WITH = "INFER_WITH"
    MATERIALISE_KV = "MATERIALISE_KV"
    DERIVE_LORA = "DERIVE_LORA"
    DERIVE_TEXT = "DERIVE_TEXT"


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob by digest: SHA-256 in hexadecimal and size."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which agreement a memory came."""

    agreement: str
    terms_sha256: str = ""
    release: str = ""
    attribution: str = ""
    duties: tuple[str, ...] = ()
    use_id: str = ""


@dataclass(frozen=True, slots=True)
class ActivationRef:
    """What an activation cube says of its KV cache."""

    model_fingerprint: str
    tokenizer_fingerprint: str
    token_ids_sha256: str
    token_count: int
    layers: int
    heads: int
    head_size: int
    dtype: str
    position_base: int = 0
    relative_error: float = 0.0


# Above what adapters are trained with: in a batch every row is as wide as the widest of them.
MOST_RANK = 256
_MOST_ALPHA, _MOST_MODULES = 16.0 * MOST_RANK, 1024


@dataclass(frozen=True, slots=True)
class ParameterRef:
    """What a parameter cube says of its adapter."""

    base_model_fingerprint: str
    rank: int
    alpha: float
    target_modules: tuple[str, ...]
    source_cubes: tuple[str, ...] = ()
    report: AdapterReport = field(default_factory=AdapterReport)

    @property
    def flaw(self) -> str:
        """What no adapter is like of what the cube says, which anybody may have written; "" for nothing."""
        if not 1 <= self.rank <= MOST_RANK:
            return f"a rank of {self.rank}; 1 to {MOST_RANK} can be mounted"
        if not (math.isfinite(self.alpha) and 0 < self.alpha <= _MOST_ALPHA):
            return f"an alpha of {self.alpha:g}; above 0, and at most {_MOST_ALPHA:g}"
        if len(self.target_modules) > _MOST_MODULES:
            return f"{len(self.target_modules)} kinds of layers; at most {_MOST_MODULES}"
        return ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a statement asserts of a subject; see `memporium.cube.v1.Claim`."""

    subject: str
    attribute: str
    value: str
    statement: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class UsedMemory:
    """A memory that the vault gave out for a use.

    Attributes:
        name: Name of the cube.
        form: Its form.
        version: Its version.
        title: Its title.
        source: Its source's own reference.
        text: Its text, for plaintext; facts one a line.
        facts: Its statements, for a MemCell.
        claims: What its statements assert, where a reader found that.
        blob: Its blob, for the other forms.
        activation: What it says of its KV cache, for ACTIVATION.
        parameter: What it says of its adapter, for PARAMETER.
        licences: Licences that it came under.
        sensitivity_labels: Its labels, which derived memories keep.
        derivation: What made it; "" for originals.
        parents: Cubes that it was made from.
        tags: Its tags.
        record: The vault's own record of it, handed through to callers unread.
    """

    name: str
    form: Form
    version: int = 0
    title: str = ""
    source: str = ""
    text: str = ""
    facts: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    blob: BlobRef | None = None
    activation: ActivationRef | None = None
    parameter: ParameterRef | None = None
    licences: tuple[Licence, ...] = ()
    sensitivity_labels: tuple[str, ...] = ()
    derivation: str = ""
    parents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    record: object = field(default=None, repr=False, compare=False)

    @property
    def vault(self) -> str:
        """Name of the vault that it lies in."""
        return self.name.rpartition("/cubes/")[0]

    def as_text(self) -> TextMemory:
        """Return it as it goes into a prompt."""
        return TextMemory(text=self.text, title=self.title, source=self.source)


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A cube to be made from others, with its blob.

    Attributes:
        parent: The vault.
        cube_id: Its id.
        request_id: Id of the call that makes it; "" for none.
        title: Its title.
        tags: Its tags.
        data: The blob.
        digest: SHA-256 of the blob, hexadecimal.
        form: ACTIVATION or PARAMETER.
        activation: What it says of its KV cache, for ACTIVATION.
        parameter: What it says of its adapter, for PARAMETER.
        parents: Cubes that it was made from.
        licences: All of theirs.
        sensitivity_labels: All of theirs.
        derivation: What made it.
        reason: Why.
        expired: Whether it is out of use from the first.
    """

    parent: str
    cube_id: str
    request_id: str
    title: str
    tags: tuple[str, ...]
    data: bytes = field(repr=False)
    digest: BlobRef
    form: Form
    activation: ActivationRef | None
    parameter: ParameterRef | None
    parents: tuple[str, ...]
    licences: tuple[Licence, ...]
    sensitivity_labels: tuple[str, ...]
    derivation: str
    reason: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What was measured of text that was asked out of an adapter; see `memporium.cube.v1.ProbeReport`."""

    adapter: str
    asked: int
    kept: int
    min_confidence: float
    source_facts: int = 0
    recovered: int = 0
    precision: float = 0.0


@dataclass(frozen=True, slots=True)
class NewText:
    """A plaintext cube to be made from an adapter; fields as of `NewMemory`.

    Attributes:
        facts: Statements, each with what it asserts.
        model: The model that said them.
        report: What was measured.
    """

    parent: str
    cube_id: str
    request_id: str
    title: str
    tags: tuple[str, ...]
    facts: tuple[tuple[str, Claim | None], ...]
    model: str
    report: ProbeReport
    licences: tuple[Licence, ...]
    sensitivity_labels: tuple[str, ...]
    derivation: str
    reason: str


def union_of_licences(memories: tuple[UsedMemory, ...] | list[UsedMemory]) -> tuple[Licence, ...]:
    """Return every licence of the memories once, in order: what a memory derived from them is bound by."""
    found: dict[tuple[str, str], Licence] = {}
    for memory in memories:
        for licence in memory.licences:
            found.setdefault((licence.agreement, licence.release), licence)
    return tuple(found.values())


def union_of_labels(memories: tuple[UsedMemory, ...] | list[UsedMemory]) -> tuple[str, ...]:
    """Return every sensitivity label of the memories once, in order."""
    return tuple(dict.fromkeys(label for memory in memories for label in memory.sensitivity_labels))
