"""Makes the golden bundles: run once for each version of the format, and never again for one that is committed.

Each folder holds a small bundle as `memporium bundle download` writes it, with the recipient's private key in `reader.key`
and what it says in `expected.json`. Every later version must verify them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("platform", "services", "tests")]

from memporium.transfer.v1.bundle_pb2 import RootChain  # noqa: E402
from memporium_platform.bundle.dsse import SigningKey, countersigned  # noqa: E402
from memporium_platform.bundle.recipients import HybridPrivateKey  # noqa: E402
from memporium_platform.bundle.roots import make_root  # noqa: E402
from support.bundles import (  # noqa: E402
    HYBRID,
    NOW,
    PUBLISHER,
    READER_KEY,
    SIGNER,
    SMALL,
    Publisher,
    secret,
    tensor_file,
    text_record,
)

TEXTS = [
    text_record(f"c{n}", f"fact {n}: " + "the quick brown fox jumps over the lazy dog. " * (n % 7)) for n in range(40)
]
TENSORS = tensor_file({"layer.0": [0.5, -1.0, 2.0], "layer.1": [float(n) / 7 for n in range(700)]})
SECOND = MLDSA65PrivateKey.from_seed_bytes(secret("second half"))
SUCCESSOR = SigningKey(Ed25519PrivateKey.from_private_bytes(secret("generation 1")))
READER_HYBRID = HybridPrivateKey.from_seeds(secret("mlkem") * 2, secret("x25519"))


def write(folder: Path, publisher: Publisher, sealed, *, key=READER_KEY, trust: bytes, roots: list[bytes] = ()) -> None:
    """Write one golden bundle."""
    folder.mkdir(parents=True)
    documents = publisher.documents(sealed, key=key)
    files = {
        "manifest": documents.manifest,
        "snapshot": documents.snapshot,
        "timestamp": documents.signed_time,
        "grant": documents.grant,
    }
    if documents.part:
        files["part"] = documents.part
    if roots:
        files["root"] = RootChain(roots=roots).SerializeToString()
    for name, data in (files | sealed.objects).items():
        (folder / name).write_bytes(data)
    if isinstance(key, X25519PrivateKey):
        private = key.private_bytes_raw()
    else:
        private = key.mlkem.private_bytes_raw() + key.x25519.private_bytes_raw()
    (folder / "reader.hex").write_text(private.hex() + "\n")
    expected = {"trust": trust.hex(), "at": NOW.isoformat(), "segments": len(sealed.objects)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main(out: Path) -> None:
    """Write all golden bundles into a folder that does not exist yet."""
    trust = SIGNER.public_key().public_bytes_raw()
    plain = Publisher(sizes=SMALL)
    write(out / "release", plain, plain.seal(TEXTS, [TENSORS]), trust=trust)
    with_part = plain.with_part(
        plain.seal(TEXTS, part_cube_count=1, lineage=["orgs/other/agreements/a9"]), TEXTS[:2], [TENSORS]
    )
    write(out / "release-with-part", plain, with_part, trust=trust)
    hybrid = Publisher(sizes=SMALL, signers=[SigningKey(SIGNER, SECOND)])
    both = trust + SECOND.public_key().public_bytes_raw()
    write(out / "hybrid", hybrid, hybrid.seal(TEXTS, suite=HYBRID), key=READER_HYBRID, trust=both)
    old, new = plain.seal(TEXTS[:3]), Publisher(sizes=SMALL, signers=[SUCCESSOR])
    old.manifest = countersigned(old.manifest, [SUCCESSOR])
    first = SigningKey(SIGNER)
    roots = [
        make_root(PUBLISHER, 1, [first], create_time=NOW),
        make_root(PUBLISHER, 2, [SUCCESSOR], before=[first], create_time=NOW),
    ]
    write(out / "rotated", new, old, trust=trust, roots=roots)
    write(out / "empty", plain, plain.seal([]), trust=trust)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
