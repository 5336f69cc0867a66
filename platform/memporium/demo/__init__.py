"""The demo: two organisations share a licensed memory, every step through the public API."""
