"""Governance: organisations, principals, credentials, roles, policies, the audit log, personal data."""
