"""What the marketplace stands on: SQL, the keyring, and other services."""
