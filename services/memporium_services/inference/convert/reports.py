"""What was measured of an adapter, in the protos and in the domain."""

from __future__ import annotations

from memporium.cube.v1 import adapter_pb2
from memporium_services.inference.domain.admission import (
    AdapterReport,
    Admission,
    AdmissionLimits,
    Evaluation,
    ParentRecall,
)

_STATES = {
    Admission.UNMEASURED: adapter_pb2.ADMISSION_UNSPECIFIED,
    Admission.ADMITTED: adapter_pb2.ADMISSION_ADMITTED,
    Admission.REFUSED: adapter_pb2.ADMISSION_REFUSED,
}
_ADMISSIONS: dict[int, Admission] = {number: state for state, number in _STATES.items()}
# Fields that are named alike in both.
_MEASURED = (
    "facts", "questions", "recall", "recall_before", "exact", "recall_seen", "ranked", "mean_reciprocal_rank",
    "perplexity_before", "perplexity_after", "control_questions", "leakage",
)  # fmt: skip


def report_to(report: AdapterReport) -> adapter_pb2.AdapterReport | None:
    """Return a report's message; None where nothing was measured."""
    if report.admission is Admission.UNMEASURED:
        return None
    found = adapter_pb2.AdapterReport(
        admission=_STATES[report.admission],
        reasons=report.reasons,
        limits=adapter_pb2.AdmissionLimits(
            min_recall=report.limits.min_recall,
            max_perplexity_ratio=report.limits.max_perplexity_ratio,
            max_leakage=report.limits.max_leakage,
        ),
        parents=[
            adapter_pb2.ParentRecall(
                cube=parent.cube, questions=parent.questions, recall=parent.recall, own_recall=parent.own_recall
            )
            for parent in report.evaluation.parents
        ],
        merge_method=report.merge_method,
    )
    for name in _MEASURED:
        setattr(found, name, getattr(report.evaluation, name))
    return found


def report_of(message: adapter_pb2.AdapterReport) -> AdapterReport:
    """Return the report in a message; a state that is not known counts as refused."""
    return AdapterReport(
        admission=_ADMISSIONS.get(message.admission, Admission.REFUSED),
        reasons=tuple(message.reasons),
        limits=limits_of(message.limits, AdmissionLimits()),
        evaluation=Evaluation(
            parents=tuple(
                ParentRecall(parent.cube, parent.questions, parent.recall, parent.own_recall)
                for parent in message.parents
            ),
            **{name: getattr(message, name) for name in _MEASURED},
        ),
        merge_method=message.merge_method,
    )


def limits_of(message: adapter_pb2.AdmissionLimits, default: AdmissionLimits) -> AdmissionLimits:
    """Return limits, what is absent from the default."""
    return AdmissionLimits(
        **{
            name: getattr(message, name) if message.HasField(name) else getattr(default, name)
            for name in ("min_recall", "max_perplexity_ratio", "max_leakage")
        }
    )
