"""Generated code of `memporium.vault.v1`."""
