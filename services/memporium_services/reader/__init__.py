"""The reader service: memory formation and recollection."""
