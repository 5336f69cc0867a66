"""Generated code of `memporium.transfer`."""
