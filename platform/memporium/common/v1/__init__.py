"""Generated code of `memporium.common.v1`."""
