"""Generated code of `memporium.inference`."""
