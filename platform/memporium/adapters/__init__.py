"""Adapters by which outside programs drive the platform."""
