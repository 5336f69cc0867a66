"""Pure rules of memory formation and recollection."""
