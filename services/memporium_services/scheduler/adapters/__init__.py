"""The scheduler's technology."""
