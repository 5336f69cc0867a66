"""The sealed bundle format MCB1: bytes in, bytes out, no I/O, no clock and no randomness but for fresh keys.

`docs/bundle-format.md` is the specification. The modules, from the bottom: `limits`, `steps`, `padme`, `merkle`,
`protobuf`, `dsse`, `chunked`, `compression`, `cutting`, `records`, `spans`, `reading`, `tensors`, `keys`, `segments`,
`documents`, `roots`, `recipients`, `grants`, `freshness`, `writer`, `content`, `verifier`, `hygiene`. `offline` alone
reads files.
"""
