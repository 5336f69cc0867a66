"""Migrations of the transfer service's schema."""
