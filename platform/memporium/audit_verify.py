"""Offline verification of audit logs: what `memporium audit verify FILE` runs."""

from __future__ import annotations

from memporium.verify.export import Report, verify_export

__all__ = ["Report", "verify_export"]
