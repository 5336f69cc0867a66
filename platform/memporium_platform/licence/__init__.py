"""Licence terms as values: what they allow, how they combine, and how they are read from the bytes that were agreed."""
