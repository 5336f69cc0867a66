"""Generated code of `memporium.common`."""
