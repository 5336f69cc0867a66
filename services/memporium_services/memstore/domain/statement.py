"""The bytes that are signed: made once, kept, and passed on as they are."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.memstore.domain.machine import Transition

TRANSITION_TYPE = "application/vnd.memporium.transition.v1+json"
AGREEMENT_TYPE = "application/vnd.memporium.agreement.v1+json"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed for a payload (PAE of the DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def statement_of(step: Transition) -> bytes:
    """Return the bytes that the organisation signs for a step."""
    return canonical_json(
        {
            "resource": step.resource,
            "sequence": step.sequence,
            "from_state": step.from_state,
            "to_state": step.to_state,
            "trigger": step.trigger,
            "actor": step.actor,
            "organisation": step.organisation,
            "reason_sha256": hashlib.sha256(step.reason.encode()).hexdigest(),
            "time_us": step.time_us,
        }
    )
