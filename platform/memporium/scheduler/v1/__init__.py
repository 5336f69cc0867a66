"""Generated code of `memporium.scheduler.v1`."""
