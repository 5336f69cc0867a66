"""Caps of the format: what is larger is refused before it is read."""

from __future__ import annotations

MIB = 1024 * 1024

# Largest content of one segment in bytes. Bounds the memory of every reader and writer.
SEGMENT_CONTENT_MAX = 16 * MIB

# Content-defined segments of records: none is closed below the least size but the last of a stream, and on average each
# has about the target size, so that a new version of a large vault uploads little.
SEGMENT_CONTENT_MIN = 1 * MIB
SEGMENT_CONTENT_TARGET = 4 * MIB

# Segments of tensor files have one size: such a file is new as a whole or not at all.
TENSOR_SEGMENT = 4 * MIB

# Largest stored segment in bytes: incompressible content, its frame, the padding and the tags.
SEGMENT_OBJECT_MAX = SEGMENT_CONTENT_MAX + 3 * MIB

# Largest record in bytes, without its length.
RECORD_MAX = 8 * MIB

# Largest envelopes in bytes.
MANIFEST_MAX = 16 * MIB
GRANT_MAX = 16 * 1024
SNAPSHOT_MAX = 16 * MIB
SIGNED_TIME_MAX = 16 * 1024

# Most signatures of one envelope; more are an attempt to keep the verifier busy.
SIGNATURES_MAX = 16

# Largest content of a whole bundle in bytes.
BUNDLE_CONTENT_MAX = 1 << 42

# Numbers of versions stay exact in every language; a larger one is a fast-forward attack.
NUMBER_MAX = 1 << 53

# A signed time lives so many seconds at most: what is revoked is refused everywhere after that time.
SIGNED_TIME_LIFE_MAX_S = 3600

# Seconds by which a publisher's clock may be ahead of ours.
CLOCK_SKEW_S = 120
