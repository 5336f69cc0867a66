"""Schema of the keyring's database."""
