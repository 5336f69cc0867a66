"""Generated code of `memporium.governance.v1`."""
