"""What the reader does, in terms of its ports."""
