"""Alembic migrations of the marketplace."""
