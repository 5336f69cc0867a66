"""Generated code of `memporium.transfer.v1`."""
