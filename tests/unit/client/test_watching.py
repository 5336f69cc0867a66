"""Watching a job while the platform comes and goes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from memporium.cli import job as commands
from memporium.cli._watching import states
from memporium.client import MemporiumError
from memporium.scheduler.v1 import job_pb2


def job(revision):
    return SimpleNamespace(job=SimpleNamespace(revision=revision))


class Platform:
    """Each call of `watch` plays one script: revisions to tell, then a code to fail with, or none."""

    def __init__(self, *scripts):
        self.scripts, self.now = list(scripts), 0.0

    def watch(self):
        *revisions, failure = self.scripts.pop(0)
        yield from map(job, revisions)
        if failure:
            raise MemporiumError(code=failure, reason="", message="")

    def sleep(self, seconds):
        self.now += seconds

    def watched(self, patience_s):
        found = states(self.watch, patience_s=patience_s, clock=lambda: self.now, sleep=self.sleep)
        return [one.revision for one in found]


@pytest.mark.parametrize(("state", "status"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELLED", 1), ("RUNNING", 0)])
def test_the_exit_status_of_a_watch_is_what_became_of_the_job(monkeypatch, state, status):
    ended = [job_pb2.Job(state=one, revision=at) for at, one in enumerate(("JOB_STATE_QUEUED", f"JOB_STATE_{state}"))]
    client = SimpleNamespace(
        scheduler=SimpleNamespace(watch_job=lambda **_: [SimpleNamespace(job=one) for one in ended])
    )
    run = SimpleNamespace(client=client, as_json=False, absolute=lambda name, _: name)
    monkeypatch.setattr(commands, "session", lambda _: run)
    told = CliRunner().invoke(commands.app, ["watch", "nightly"])
    assert told.exit_code == status, told.output
    assert state.lower() in told.output


def test_each_state_is_told_once_over_a_restart():
    away = [("UNAVAILABLE",)] * 3
    assert Platform((1, 2, "UNAVAILABLE"), *away, (2, 3, None)).watched(60) == [1, 2, 3]


def test_patience_begins_anew_where_the_platform_was_back():
    away = [("UNAVAILABLE",)] * 4
    assert Platform((1, "UNAVAILABLE"), *away, (1, "UNAVAILABLE"), *away, (2, None)).watched(5) == [1, 2]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "PERMISSION_DENIED"])
def test_what_lasts_or_is_no_absence_is_told(code):
    platform = Platform((1, code), *[(code,)] * 9)
    with pytest.raises(MemporiumError) as caught:
        platform.watched(3)
    assert caught.value.code == code
    assert platform.now == (3.0 if code == "UNAVAILABLE" else 0.0)


def test_nobody_waits_for_a_platform_that_never_answered():
    platform = Platform(("UNAVAILABLE",), (1, None))
    with pytest.raises(MemporiumError):
        platform.watched(60)
    assert not platform.now


def test_without_patience_the_first_absence_is_told():
    with pytest.raises(MemporiumError):
        Platform((1, "UNAVAILABLE"), (2, None)).watched(0)
