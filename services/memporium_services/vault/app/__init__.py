"""What the vault does, over ports; one module a concern."""
