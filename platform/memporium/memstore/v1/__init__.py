"""Generated code of `memporium.memstore.v1`."""
