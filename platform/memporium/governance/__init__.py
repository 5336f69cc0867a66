"""Generated code of `memporium.governance`."""
