"""Engines behind the ports: models, and clients of the other services."""
