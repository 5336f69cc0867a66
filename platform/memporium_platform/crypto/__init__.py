"""Keys, sealing at rest and what they are stored in."""
