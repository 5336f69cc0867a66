"""The rules in `policies/`: retention and personal data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import yaml

from memporium_services.governance.domain.pii import EntityRule, PiiRules

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; None: for ever."""

    audit_records: timedelta | None
    removed_rows: timedelta | None


def load_retention(folder: Path) -> Retention:
    """Return the rules in `retention.yaml`."""
    document = yaml.safe_load((folder / "retention.yaml").read_text(encoding="utf-8"))
    return Retention(
        audit_records=_days(document["audit"]["record_days"]),
        removed_rows=_days(document["authorization"]["removed_row_days"]),
    )


def load_pii_rules(folder: Path) -> PiiRules:
    """Return the rules in `pii.yaml`."""
    document = yaml.safe_load((folder / "pii.yaml").read_text(encoding="utf-8"))
    least = float(document["min_score"])
    return PiiRules(
        {
            entity: EntityRule(bool(fields["direct_identifier"]), float(fields.get("min_score", least)))
            for entity, fields in document["entities"].items()
        }
    )


def _days(days: float) -> timedelta | None:
    return timedelta(days=days) if days else None
