"""Governance, pure: records, rules and hashes."""
