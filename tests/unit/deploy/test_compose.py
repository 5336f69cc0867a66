from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from memporium_platform.settings import PlatformSettings
from memporium_platform.telemetry import Telemetry
from memporium_services.checkup_forms import wrong_forms
from memporium_services.effective_settings import names_of, settings_classes

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETTINGS = {name for settings in settings_classes() for name in names_of(settings).values()}


def settings_of(monkeypatch):
    """Return the platform's settings as compose gives them, over those of the image."""
    given = dict(re.findall(r"\b(MEMPORIUM_\w+)=(\S+)", DOCKERFILE.split("HEALTHCHECK")[0].split("# Beyond")[0]))
    given |= COMPOSE["services"]["memporium"]["environment"]
    filled = {name: re.sub(r"\$\{(\w+)[^}]*\}", "ab" * 32, str(value)) for name, value in given.items()}
    assert set(filled) <= SETTINGS
    with monkeypatch.context() as patch:
        for name, value in filled.items():
            patch.setenv(name, value)
        return PlatformSettings()


def test_the_platform_of_compose_has_real_settings_that_pass_the_check(monkeypatch):
    settings = settings_of(monkeypatch)
    assert list(wrong_forms(settings)) == []
    assert settings.database_url.get_secret_value().startswith("postgresql+psycopg://")


def test_engines_are_named_as_the_settings_name_them(monkeypatch):
    settings = settings_of(monkeypatch)
    services = COMPOSE["services"]
    for url in (settings.database_url, settings.objects_url, settings.index_url):
        host = re.search(r"(?:@|//)([a-z]+):\d+", url.get_secret_value())
        assert host, "no host in the URL"
        assert host[1] in services
        assert host[1] in services["memporium"]["depends_on"]
        assert "healthcheck" in services[host[1]]
    assert settings.otlp_endpoint == "http://collector:4317"
    for one in services.values():
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file(), source


def test_every_secret_is_asked_for_and_in_the_example():
    text = (DEPLOY / "compose.yaml").read_text()
    example = dict(
        line.split("=", 1) for line in (DEPLOY / "compose.env.example").read_text().splitlines() if "=" in line[:40]
    )
    for name in set(re.findall(r"\$\{(\w+)", text)):
        assert name in example
        assert f"${{{name}:?" in text, f"{name} may be left out"


@pytest.mark.parametrize(
    "command",
    [
        COMPOSE["services"]["memporium"]["healthcheck"]["test"][1:],
        json.loads(re.search(r"HEALTHCHECK .* CMD (\[.*\])", DOCKERFILE)[1]),
        [
            *json.loads(re.search(r"ENTRYPOINT (\[.*\])", DOCKERFILE)[1]),
            *json.loads(re.search(r"\nCMD (\[.*\])", DOCKERFILE)[1]),
        ],
    ],
)
def test_commands_exist(command):
    from memporium.cli import add_commands

    app = add_commands()
    known = {one.typer_instance.info.name for one in app.registered_groups}
    known |= {one.name or one.callback.__name__ for one in app.registered_commands}
    assert command[0] in PROJECT["scripts"]
    assert command[1] in known


def test_the_image_copies_what_the_build_needs_and_exposes_what_is_listened_on(monkeypatch):
    build, run = DOCKERFILE.split("\nFROM ", 2)[-2:] if DOCKERFILE.count("\nFROM ") > 1 else DOCKERFILE.split("\nFROM ")
    copied = {
        word for line in re.findall(r"^COPY (?!--)(.*)$", DOCKERFILE, re.MULTILINE) for word in shlex.split(line)[:-1]
    }
    for path in copied:
        assert (ROOT / path).exists(), path
    assert {"pyproject.toml", "README.md", "platform", "services", "policies"} <= copied
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not copied & set(ignored)
    extras = re.search(r"ARG EXTRAS=(\S+)", DOCKERFILE)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    settings = settings_of(monkeypatch)
    exposed = set(re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[1].split())
    assert {settings.listen.rpartition(":")[2], settings.metrics_listen.rpartition(":")[2]} == exposed
    assert build
    assert "USER 10001" in run


def test_prometheus_scrapes_the_platform(monkeypatch):
    (job,) = yaml.safe_load((DEPLOY / "observability" / "prometheus.yaml").read_text())["scrape_configs"]
    port = settings_of(monkeypatch).metrics_listen.rpartition(":")[2]
    assert job["static_configs"] == [{"targets": [f"memporium:{port}"]}]


def test_the_collector_receives_where_traces_are_sent():
    collector = yaml.safe_load((DEPLOY / "observability" / "otel-collector.yaml").read_text())
    assert collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind])


def test_the_dashboard_shows_metrics_and_labels_that_there_are():
    labels = {}
    for family in Telemetry().registry.collect():
        for suffix in ("", "_total", "_bucket", "_count", "_sum"):
            labels[family.name + suffix] = {"method", "tenant", "code", "le"}
    dashboard = json.loads((DEPLOY / "observability" / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    assert len(expressions) >= 6
    for expression in expressions:
        names = re.findall(r"memporium_\w+", expression)
        assert names
        for name in names:
            assert name in labels, f"{name} is no metric"
        by = {one.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for one in group.split(",")}
        assert by <= {"method", "tenant", "code", "le"}
        if "call_seconds" in expression:
            assert "tenant" not in expression, "that histogram has no tenants"
