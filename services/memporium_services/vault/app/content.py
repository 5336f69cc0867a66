"""What a cube holds: its form, its units, its blobs, and whether it may be stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from memporium_platform.errors import invalid
from memporium_services.vault.domain.passages import passages

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.cube.v1.cube_pb2 import AtomicFact, Claim, Cube, Payload, SourceSpan
    from memporium_services.vault.settings import VaultSettings

MAX_TAGS = 64
MAX_ENTITIES = 256
MAX_LABELS = 64
MAX_LICENCES = 64
MAX_WORD_CHARS = 256
MAX_PRIORITY = 100
MAX_CLAIMS = 16
# Bytes of text that count as one token of a licence's quota.
BYTES_PER_TOKEN = 4
FORMS = {"plaintext": 1, "activation": 2, "parameter": 3}


class UnitDraft(NamedTuple):
    """A unit before it is stored; `title` stands before the text where that is embedded and analysed."""

    text: str
    title: str = ""
    context: str = ""
    event_us: int | None = None
    source: SourceSpan | None = None
    role: str = ""
    claims: tuple[Claim, ...] = ()
    trust: float | None = None

    @property
    def indexed(self) -> str:
        """The text that is analysed and embedded."""
        return f"{self.title}\n{self.text}" if self.title else self.text


def moment_us(time: Timestamp) -> int:
    """Return a timestamp in microseconds."""
    return time.seconds * 1_000_000 + time.nanos // 1000


def form_of(payload: Payload) -> int:
    """Return the number of the payload's form; 0: it has none."""
    return FORMS.get(payload.WhichOneof("form") or "", 0)


def payload_bytes(payload: Payload) -> bytes:
    """Return the bytes that are stored, and that the content digest is of."""
    return payload.SerializeToString(deterministic=True)


def digest_of(stored: bytes) -> str:
    """Return the content digest of stored bytes."""
    return hashlib.sha256(stored).hexdigest()


def blobs_of(payload: Payload) -> list[Digest]:
    """Return the blobs that a payload refers to."""
    form = payload.WhichOneof("form")
    if form == "activation" and payload.activation.HasField("blob"):
        return [payload.activation.blob]
    if form == "parameter" and payload.parameter.HasField("blob"):
        return [payload.parameter.blob]
    return []


def size_of(payload: Payload) -> int:
    """Return the bytes of a payload and of the blobs that it refers to."""
    return payload.ByteSize() + sum(blob.size_bytes for blob in blobs_of(payload))


def tokens_of(payload: Payload, form: int, size: int) -> int:
    """Return the tokens that licences count for a cube: one in four bytes of text, or those of its KV cache.

    The measure is nobody's tokenizer, so that both parties get the same number whichever model is used.
    """
    if form == FORMS["plaintext"]:
        return -(-size // BYTES_PER_TOKEN)
    return payload.activation.token_count if form == FORMS["activation"] else 0


def units_of(cube: Cube) -> list[UnitDraft]:
    """Return a cube's units, in order; the rule stands at `Unit` in the protos."""
    if cube.payload.WhichOneof("form") != "plaintext":
        return []
    text = cube.payload.plaintext
    content = text.WhichOneof("content")
    if content == "mem_cell":
        if text.mem_cell.facts:
            return [_of_fact(fact) for fact in text.mem_cell.facts]
        return [UnitDraft(passage) for passage in passages(text.mem_cell.episode)]
    if content == "document":
        title = text.document.title or cube.descriptive.title
        pieces = passages(text.document.text)
        return [UnitDraft(piece, title) for piece in pieces]
    if content == "record" and text.record.json:
        return [UnitDraft(text.record.json)]
    return []


def text_of(units: list[UnitDraft]) -> str:
    """Return the text that near duplicates are told by."""
    return "\n".join(unit.text for unit in units)


def check_cube(cube: Cube, settings: VaultSettings, *, field: str = "cube") -> None:  # noqa: C901
    """Refuse what the vault does not store.

    Raises:
        PlatformError: INVALID_FIELD, naming the field below `field`.
    """
    told, governed = cube.descriptive, cube.governance
    if form_of(cube.payload) == 0:
        raise invalid(f"{field}.payload", "must have a form")
    if len(told.tags) > MAX_TAGS:
        raise invalid(f"{field}.descriptive.tags", f"at most {MAX_TAGS}")
    if len(told.entities) > MAX_ENTITIES:
        raise invalid(f"{field}.descriptive.entities", f"at most {MAX_ENTITIES}")
    if len(governed.sensitivity_labels) > MAX_LABELS:
        raise invalid(f"{field}.governance.sensitivity_labels", f"at most {MAX_LABELS}")
    if len(governed.licences) > MAX_LICENCES:
        raise invalid(f"{field}.governance.licences", f"at most {MAX_LICENCES}")
    for path, words in (("tags", told.tags), ("entities", told.entities)):
        if any(not word.strip() or len(word) > MAX_WORD_CHARS for word in words):
            raise invalid(f"{field}.descriptive.{path}", f"must hold 1 to {MAX_WORD_CHARS} characters each")
    if any(tag != tag.lower() for tag in told.tags):
        raise invalid(f"{field}.descriptive.tags", "must be lower case")
    if not 0 <= governed.priority <= MAX_PRIORITY:
        raise invalid(f"{field}.governance.priority", f"must be 0 to {MAX_PRIORITY}")
    if governed.lifespan.HasField("ttl") and governed.lifespan.ttl.ToTimedelta().total_seconds() <= 0:
        raise invalid(f"{field}.governance.lifespan.ttl", "must be positive")
    for index, fact in enumerate(cube.payload.plaintext.mem_cell.facts):
        _check_fact(fact, f"{field}.payload.plaintext.mem_cell.facts[{index}]")
    if cube.payload.ByteSize() > settings.max_payload_bytes:
        raise invalid(f"{field}.payload", f"must not exceed {settings.max_payload_bytes} bytes; use a blob")


def _check_fact(fact: AtomicFact, field: str) -> None:
    """Refuse a fact with too many claims, claims on nothing, or a trust that is none."""
    if len(fact.claims) > MAX_CLAIMS:
        raise invalid(f"{field}.claims", f"at most {MAX_CLAIMS}")
    for claim in fact.claims:
        for path in ("subject", "attribute", "value"):
            if not 1 <= len(getattr(claim, path)) <= MAX_WORD_CHARS:
                raise invalid(f"{field}.claims.{path}", f"must hold 1 to {MAX_WORD_CHARS} characters")
    if not 0 <= fact.trust <= 1:
        raise invalid(f"{field}.trust", "must be 0 to 1")


def check_units(units: list[UnitDraft], settings: VaultSettings, *, field: str = "cube") -> None:
    """Refuse cubes with too many units.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(units) > settings.max_units:
        raise invalid(f"{field}.payload", f"has {len(units)} units; at most {settings.max_units}")


def event_us_of(cube: Cube) -> int | None:
    """Return when what the cube tells happened; None: not given."""
    return moment_us(cube.descriptive.event_time) if cube.descriptive.HasField("event_time") else None


def ttl_s_of(cube: Cube) -> float | None:
    """Return the cube's own time to live."""
    span = cube.governance.lifespan
    return span.ttl.ToTimedelta().total_seconds() if span.HasField("ttl") else None


def _of_fact(fact: AtomicFact) -> UnitDraft:
    return UnitDraft(
        text=fact.text,
        context=fact.context,
        event_us=moment_us(fact.event_time) if fact.HasField("event_time") else None,
        source=fact.source if fact.HasField("source") else None,
        role=fact.role,
        claims=tuple(fact.claims),
        trust=fact.trust if fact.HasField("trust") else None,
    )


__all__ = [
    "UnitDraft",
    "blobs_of",
    "check_cube",
    "check_units",
    "digest_of",
    "event_us_of",
    "form_of",
    "moment_us",
    "payload_bytes",
    "text_of",
    "ttl_s_of",
    "units_of",
]
