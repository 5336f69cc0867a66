from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.domain.jobs import ENDED, Job, JobKind, JobState, retry_delay_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _job(**changes) -> Job:
    given_ = {
        "org": "acme",
        "job_id": "j1",
        "kind": JobKind.SWEEP_VAULTS,
        "spec": {},
        "principal": "orgs/acme/principals/a",
        "principal_kind": "USER",
        "create_time": NOW,
    }
    return Job(**(given_ | changes))


_TRIGGERS = {
    "begin": lambda job: job.begin(NOW),
    "report": lambda job: job.report(1, 2, "x"),
    "note": lambda job: job.note("UNAVAILABLE", "away"),
    "succeed": lambda job: job.succeed(NOW, {"cube": "c"}),
    "fail": lambda job: job.fail(NOW, "INTERNAL", "broken"),
    "cancel": lambda job: job.cancel(NOW),
}


@given(st.lists(st.sampled_from(sorted(_TRIGGERS)), max_size=12))
def test_an_ended_job_never_changes_and_each_change_counts_one_revision(triggers):
    job = _job()
    for trigger in triggers:
        before = job
        try:
            job = _TRIGGERS[trigger](job)
        except PlatformError as error:
            assert error.reason is Reason.ILLEGAL_TRANSITION
            assert before.state in ENDED or (before.state is JobState.QUEUED and trigger == "succeed")
        else:
            assert before.state not in ENDED
            assert job.revision == before.revision + 1


def test_a_success_clears_the_failure_of_an_earlier_attempt():
    job = _job().begin(NOW).note("UNAVAILABLE", "away").begin(NOW + timedelta(seconds=1)).succeed(NOW, {"cube": "c"})
    assert (job.attempts, job.error, job.error_reason, job.start_time) == (2, "", "", NOW)


def test_a_job_that_is_done_has_done_all_of_its_steps():
    begun = _job().begin(NOW).report(1, 2, "the second")
    assert (begun.completed, begun.total) == (1, 2)
    assert (begun.succeed(NOW, {}).completed, begun.cancel(NOW).completed, begun.fail(NOW, "x", "y").completed) == (
        2,
        1,
        1,
    )
    assert _job().begin(NOW).report(3, 0, "as many as there are").succeed(NOW, {}).completed == 3


def test_steps_keep_their_idempotency_ids_across_attempts_and_differ_from_each_other():
    job = _job()
    assert job.request_id("a") == job.begin(NOW).request_id("a")
    assert len({job.request_id("a"), job.request_id("b"), _job(job_id="j2").request_id("a")}) == 3


@pytest.mark.parametrize(("attempt", "expected"), [(1, 0.5), (2, 1.0), (3, 2.0), (20, 60.0)])
def test_waits_double_up_to_the_maximum(attempt, expected):
    assert retry_delay_s(attempt, initial_s=0.5, maximum_s=60.0) == expected
