from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def _run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "memporium", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


@pytest.mark.parametrize(
    "group", ["org", "key", "vault", "cube", "listing", "negotiation", "subscribe", "bundle", "audit", "config"]
)
def test_every_group_explains_itself(group):
    shown = _run(group, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Commands" in shown.stdout


def test_config_check_prints_settings_and_masks_secrets():
    shown = _run("--json", "config", "check", MEMPORIUM_DATABASE_URL="postgresql+psycopg://u:hunter2@h/d")
    values = json.loads(shown.stdout)
    assert "hunter2" not in shown.stdout
    assert values["MEMPORIUM_LISTEN"] == "127.0.0.1:7600"
    assert "MEMPORIUM_SCHEDULER_MAX_ATTEMPTS" in values


def test_config_check_names_a_wrong_setting():
    shown = _run("config", "check", MEMPORIUM_LOG_LEVEL="SHOUT")
    assert shown.returncode == 1
    assert "log_level" in (shown.stderr + shown.stdout).lower()
    assert "Traceback" not in shown.stderr


def test_doctor_says_what_is_found(tmp_path):
    shown = _run("--json", "doctor", MEMPORIUM_DATA_DIR=str(tmp_path))
    found = {one["what"]: one for one in json.loads(shown.stdout)}
    assert found["embedded database and full text"]["found"]
    assert not found["platform"]["found"]


def test_a_refusal_is_one_line_and_status_1():
    shown = _run("--address", "127.0.0.1:1", "vault", "list")
    assert shown.returncode == 1
    assert shown.stderr.startswith("refused UNAVAILABLE")
    assert "Traceback" not in shown.stderr


def test_serving_an_unknown_service_is_refused():
    shown = _run("serve", "coffee")
    assert shown.returncode == 2
    assert "coffee" in shown.stderr
