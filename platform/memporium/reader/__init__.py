"""Generated code of `memporium.reader`."""
