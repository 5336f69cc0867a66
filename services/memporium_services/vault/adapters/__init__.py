"""The vault against real engines: SQL, other services."""
