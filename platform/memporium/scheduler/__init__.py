"""Generated code of `memporium.scheduler`."""
