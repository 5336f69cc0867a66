"""What Milvus holds: a collection a vault, and one collection of the revisions they have reached.

The lexical legs are sparse vectors of raw term frequencies. A search for one term by inner product then returns the
term's inverted list, and BM25 is computed here, with the same statistics as the embedded index. Milvus's own full
text was tried and not taken: see docs/adr/0011-bm25-over-milvus-sparse-vectors.md.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pymilvus import DataType, MilvusClient

from memporium_platform.storage.index.postings import term_number

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

REVISIONS = "memporium_revisions"

# Milvus returns at most this many hits of a search; longer inverted lists are cut, least frequent first.
MOST_HITS = 16_384
# Ids in one filter expression: some 100 KB of text, parsed in milliseconds.
MOST_IDS = 8192
# Rows in one request: below the 64 MB that Milvus takes.
MOST_ROWS = 500

# Sparse dimensions are 32-bit; the last one marks a unit without terms, for a sparse vector may not be empty.
_DIMENSIONS = (1 << 32) - 2
_NO_TERMS = {_DIMENSIONS: 1.0}


def collection_of(key: str) -> str:
    """Return the collection's name: Milvus takes letters, digits and '_' alone."""
    return "memporium_" + hashlib.sha256(key.encode()).hexdigest()[:40]


def sparse(terms: Counter[int]) -> Mapping[int, float]:
    """Return term frequencies as a sparse vector; terms are by `term_number`."""
    folded: dict[int, float] = {}
    for number, count in terms.items():
        place = number % _DIMENSIONS
        folded[place] = folded.get(place, 0.0) + count
    return folded or _NO_TERMS


def term_query(term: str) -> dict[int, float]:
    """Return the sparse vector whose inner product with a unit is the term's frequency there."""
    return {term_number(term) % _DIMENSIONS: 1.0}


def make_revisions(client: MilvusClient) -> None:
    """Make the collection of revisions where it is absent, and have it loaded."""
    if client.has_collection(REVISIONS):
        client.load_collection(REVISIONS)
        return
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("name", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("revision", DataType.INT64)
    schema.add_field("dimensions", DataType.INT64)
    # Milvus has no collection without a vector.
    schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("nothing", index_type="FLAT", metric_type="IP")
    _create(client, REVISIONS, schema, index)


def make_vault(client: MilvusClient, name: str, *, dimensions: int, exact: bool) -> None:
    """Make a vault's collection.

    Args:
        client: Of Milvus.
        name: Of the collection.
        dimensions: Of the dense vectors.
        exact: Compare with every vector (Milvus Lite, whose graph loses a fifth of the hits) instead of a graph.
    """
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("has_vector", DataType.BOOL)
    schema.add_field("own_length", DataType.INT64)
    schema.add_field("context_length", DataType.INT64)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimensions)
    schema.add_field("own", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("context", DataType.SPARSE_FLOAT_VECTOR)
    index = client.prepare_index_params()
    if exact:
        index.add_index("dense", index_type="FLAT", metric_type="IP")
    else:
        graph = {"M": 16, "efConstruction": 200}
        index.add_index("dense", index_type="HNSW", metric_type="IP", params=graph)
    for leg in ("own", "context"):
        index.add_index(leg, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    _create(client, name, schema, index)


def _create(client: MilvusClient, name: str, schema: Any, index: Any) -> None:
    client.create_collection(name, schema=schema, consistency_level="Strong")
    # The SDK would sleep half a second for each index of an empty collection; loading waits for what is needed.
    client.create_index(name, index, sync=False)
    client.load_collection(name)


def read_revision(client: MilvusClient, name: str) -> tuple[int, int]:
    """Return the revision and dimensions of a vault's collection; (0, 0) where it has none."""
    rows: list[dict[str, Any]] = client.get(REVISIONS, ids=[name], output_fields=["revision", "dimensions"])
    return (int(rows[0]["revision"]), int(rows[0]["dimensions"])) if rows else (0, 0)


def write_revision(client: MilvusClient, name: str, *, revision: int, dimensions: int) -> None:
    """Store the revision of a vault's collection."""
    row = {"name": name, "revision": revision, "dimensions": dimensions, "nothing": [0.0, 0.0]}
    client.upsert(REVISIONS, [row])
