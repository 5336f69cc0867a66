"""Storage: ports to the relational store, the objects and the index, and their adapters."""
