"""Generated code of `memporium.cube`."""
