"""A second implementation of the bundle format MCB1, from `docs/bundle-format.md`: it verifies and does not seal.

It shares no code with the platform's, only the published messages; the tests hold the two against each other.
`documents` and `contents` make the checks 1 to 8, `segments` and `safetensors` 9 to 13, `check` ties them together, all
without I/O; `folder` alone reads files.
"""
