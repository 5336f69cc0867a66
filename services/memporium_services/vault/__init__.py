"""The vault: memory at rest. Cubes with versions, search, lifecycle, forgetting, blobs."""
