"""Schema of governance."""
