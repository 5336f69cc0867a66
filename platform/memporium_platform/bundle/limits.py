"""Caps of the format: what is larger is refused before it is read."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024

# Largest content of one segment in bytes. Bounds the memory of every reader and writer.
SEGMENT_CONTENT_MAX = 16 * MIB


@dataclass(frozen=True, slots=True)
class SegmentSizes:
    """How long a writer makes its segments; a reader demands no more than `SEGMENT_CONTENT_MAX`.

    Attributes:
        least: No segment is shorter but the last of a stream, in bytes.
        target: About the mean, in bytes.
        most: None is longer, in bytes.
    """

    least: int = 1 * MIB
    target: int = 4 * MIB
    most: int = SEGMENT_CONTENT_MAX


# Largest stored segment in bytes: incompressible content, its frame, the padding and the tags.
SEGMENT_OBJECT_MAX = SEGMENT_CONTENT_MAX + 3 * MIB

# Largest record in bytes, without its length.
RECORD_MAX = 8 * MIB

# Largest envelopes in bytes.
MANIFEST_MAX = 16 * MIB
PART_MAX = 16 * MIB
GRANT_MAX = 16 * 1024
SNAPSHOT_MAX = 16 * MIB
SIGNED_TIME_MAX = 16 * 1024
ROOT_MAX = 256 * 1024

# Most signatures of one envelope; more are an attempt to keep the verifier busy.
SIGNATURES_MAX = 32

# Most keys of one root.
ROOT_KEYS_MAX = 16

# Largest content of a whole bundle in bytes.
BUNDLE_CONTENT_MAX = 1 << 42

# Numbers of versions stay exact in every language; a larger one is a fast-forward attack.
NUMBER_MAX = 1 << 53

# A signed time lives so many seconds at most: what is revoked is refused everywhere after that time.
SIGNED_TIME_LIFE_MAX_S = 3600

# Seconds by which a publisher's clock may be ahead of ours.
CLOCK_SKEW_S = 120
