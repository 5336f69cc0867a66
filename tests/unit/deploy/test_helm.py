from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

from memporium_platform.settings import SERVICES, PlatformSettings
from memporium_services.checkup_forms import wrong_forms
from memporium_services.effective_settings import names_of, settings_classes
from support.helm import Chart, TemplateError

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "memporium"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SOURCES = {path.name: path.read_text() for path in (CHART / "templates").iterdir()}
SETTINGS = {name for settings in settings_classes() for name in names_of(settings).values()}


def values(**changes):
    changed = copy.deepcopy(VALUES)
    changed.update(changes)
    return changed


def documents(name, **changes):
    text = Chart(SOURCES, values=values(**changes), release="mem").render(name)
    return [document for document in yaml.safe_load_all(text) if document]


def workloads(**changes):
    found = [one for one in documents("services.yaml", **changes) if one["kind"] in {"Deployment", "StatefulSet"}]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}


def container(workload):
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("tls", ["", "mem-tls"])
def test_every_service_has_a_workload_that_starts_it(tls):
    found = workloads(tlsSecretName=tls)
    assert set(found) == set(SERVICES)
    for service, workload in found.items():
        assert container(workload)["args"] == ["serve", service]
        assert workload["spec"]["selector"]["matchLabels"].items() <= workload["metadata"]["labels"].items()
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("tls", ["", "mem-tls"])
def test_environment_is_made_of_real_settings_that_pass_the_check(tls, monkeypatch, tmp_path):
    from support.certificates import Authority

    files = Authority("mem").write_server(tmp_path, "mem")
    secrets = {
        "database-url": "postgresql+psycopg://u:p@h/d",
        "objects-url": "s3://k:s@h:9000/b",
        "index-url": "milvus://h:19530",
        "master-key": "ab" * 32,
    }
    for service, workload in workloads(tlsSecretName=tls).items():
        env = container(workload)["env"]
        names = [one["name"] for one in env]
        assert len(names) == len(set(names))
        assert set(names) <= SETTINGS
        given = {}
        for one in env:
            source = one.get("valueFrom", {}).get("secretKeyRef")
            given[one["name"]] = secrets[source["key"]] if source else str(one.get("value", service))
        if tls:
            given["MEMPORIUM_TLS_CERTIFICATE"] = str(files.certificate)
            given["MEMPORIUM_TLS_PRIVATE_KEY"] = str(files.private_key)
            given["MEMPORIUM_TLS_CA"] = str(files.authority)
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            settings = PlatformSettings()
        assert list(wrong_forms(settings)) == []
        others = {other for other in SERVICES if settings.address_of(other)}
        assert others == set(SERVICES) - {service}


def test_ports_are_those_that_the_services_listen_on():
    for one in documents("services.yaml"):
        if one["kind"] == "Service":
            assert {port["name"]: port["port"] for port in one["spec"]["ports"]} == {"grpc": 7600, "metrics": 9464}
    for workload in workloads().values():
        env = {one["name"]: one.get("value") for one in container(workload)["env"]}
        ports = {port["name"]: port["containerPort"] for port in container(workload)["ports"]}
        assert env["MEMPORIUM_LISTEN"] == f"0.0.0.0:{ports['grpc']}"
        assert env["MEMPORIUM_METRICS_LISTEN"] == f"0.0.0.0:{ports['metrics']}"
        assert container(workload)["readinessProbe"]["grpc"]["port"] == ports["grpc"]


def test_volumes_that_are_mounted_are_there():
    for tls in ("", "mem-tls"):
        for workload in workloads(tlsSecretName=tls).values():
            spec = workload["spec"]
            there = {one["name"] for one in spec["template"]["spec"]["volumes"]}
            there |= {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", [])}
            assert {one["name"] for one in container(workload)["volumeMounts"]} == there
            assert "volumeClaimTemplates" not in spec or workload["kind"] == "StatefulSet"


def test_the_operators_key_outlives_its_pod():
    assert workloads()["governance"]["spec"]["volumeClaimTemplates"]


def test_drains_take_replicas_one_by_one_and_are_never_blocked():
    budgets = {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in documents("disruption.yaml")}
    found = workloads()
    assert set(budgets) == {service for service, workload in found.items() if workload["spec"]["replicas"] > 1}
    assert budgets
    for service, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == found[service]["spec"]["selector"]


def test_a_pod_has_time_to_end_its_calls():
    for workload in workloads().values():
        ends = container(workload)["lifecycle"]["preStop"]["exec"]["command"]
        given = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert given > int(ends[1]) + PlatformSettings().grace_s


def test_the_gateway_routes_every_service_by_its_grpc_name():
    from memporium.client._methods import service_descriptor

    gateway = {"enabled": True, "className": "c", "host": "m.example", "certificateSecretName": "cert"}
    listener, route = documents("route.yaml", gateway=gateway)
    assert listener["spec"]["listeners"][0]["tls"]["certificateRefs"] == [{"name": "cert"}]
    routed = {
        rule["matches"][0]["method"]["service"]: rule["backendRefs"][0]["name"] for rule in route["spec"]["rules"]
    }
    assert routed == {service_descriptor(service).full_name: f"mem-{service}" for service in SERVICES}
    backends = {one["metadata"]["name"] for one in documents("services.yaml") if one["kind"] == "Service"}
    assert set(routed.values()) == backends
    assert documents("route.yaml") == []


def test_every_value_is_used_and_every_used_value_is_there():
    text = "".join(SOURCES.values())
    for name in VALUES:
        assert f".Values.{name}" in text, f"{name} has no effect"
    lacking = values()
    del lacking["image"]["tag"]
    with pytest.raises(TemplateError, match="tag"):
        Chart(SOURCES, values=lacking).render("services.yaml")


def test_notes_name_commands_that_exist():
    notes = Chart(SOURCES, values=VALUES, release="mem").render("NOTES.txt")
    assert "mem-governance-0" in notes
    from memporium.cli import add_commands

    groups = {one.typer_instance.info.name for one in add_commands().registered_groups}
    for group in re.findall(r"memporium (?:--\S+ \S+ )*([a-z]+) ", notes):
        assert group in groups
