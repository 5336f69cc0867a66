"""Generated code of `memporium.inference.v1`."""
