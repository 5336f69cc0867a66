"""What the marketplace does, one module a concern."""
