"""The transfer service: sealed bundles, dump and load."""
