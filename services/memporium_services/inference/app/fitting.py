"""Whether a memory in a model's own form fits the model: its cube may have been written by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.domain.admission import Admission
from memporium_services.inference.domain.memory import MOST_RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.values import ModelInfo


def check_fit(memory: UsedMemory, info: ModelInfo) -> None:
    """Refuse a KV or LoRA memory that this model cannot take.

    Raises:
        PlatformError: MODEL_MISMATCH, where it was made for another model; INTEGRITY_FAILURE, where its cube describes
            nothing that there is; BLOB_MISSING.
    """
    made_for = ""
    if memory.activation is not None:
        made_for = memory.activation.model_fingerprint
    elif memory.parameter is not None:
        made_for = memory.parameter.base_model_fingerprint
    if not made_for or made_for != info.fingerprint or not info.supports_memory:
        raise PlatformError(
            Reason.MODEL_MISMATCH,
            f"{memory.name} was made for another model than {info.name}",
            metadata={"expected": made_for, "actual": info.fingerprint, "resource": memory.name},
        )
    if memory.parameter is not None and memory.parameter.flaw:
        raise PlatformError(
            Reason.INTEGRITY_FAILURE,
            f"{memory.name} is no adapter: it has {memory.parameter.flaw}",
            metadata={"resource": memory.name},
        )
    if memory.blob is None:
        raise PlatformError(Reason.BLOB_MISSING, f"{memory.name} names no blob", metadata={"digest": ""})


def check_mountable(memories: Sequence[UsedMemory], info: ModelInfo) -> None:
    """Refuse what `check_fit` refuses, adapters that were not admitted, and more of them than a batch bears.

    Raises:
        PlatformError: As `check_fit`; FAILED_PRECONDITION for what was not admitted; INVALID_FIELD for too many.
    """
    for memory in memories:
        check_fit(memory, info)
        report = memory.parameter.report if memory.parameter is not None else None
        if report is not None and report.admission is Admission.REFUSED:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{memory.name} was not admitted: {'; '.join(report.reasons) or 'no reason is known'}",
                metadata={"resource": memory.name, "state": "not admitted"},
            )
    together = sum(memory.parameter.rank for memory in memories if memory.parameter is not None)
    if together > MOST_RANK:
        raise invalid("mounts", f"adapters have rank {together} together; at most {MOST_RANK}: merge some of them")
