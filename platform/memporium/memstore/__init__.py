"""Generated code of `memporium.memstore`."""
