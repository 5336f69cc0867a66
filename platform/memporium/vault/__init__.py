"""Generated code of `memporium.vault`."""
