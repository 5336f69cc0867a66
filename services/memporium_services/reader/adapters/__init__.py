"""The outside world of the reader."""
