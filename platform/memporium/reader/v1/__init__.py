"""Generated code of `memporium.reader.v1`."""
