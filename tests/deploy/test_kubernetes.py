"""The manifests as `kubectl kustomize` builds them: each meets the schema of Kubernetes, and the pod is as restricted as it can be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from monitor import config as configuration
from tests.deploy.programs import DEPLOY, program, ran
from tests.deploy.test_prometheus import RULES

KUBERNETES = DEPLOY / "kubernetes"
VERSIONS = ("1.29", "1.37")
"""The oldest that the manifests are for (it has ReadWriteOncePod), and the newest whose schema is installed."""
OPERATOR = "monitoring.coreos.com/v1"
"""Of kinds of the Prometheus Operator there is no schema here."""


def built(folder: Path) -> list[dict[str, Any]]:
    done = ran(program("kubectl"), "kustomize", folder)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The example, with the component that it leaves out."""
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    desk = folder / "examples" / "desk" / "kustomization.yaml"
    text = desk.read_text()
    assert "# components:\n#   - ../../components/prometheus-operator" in text
    desk.write_text(text.replace("# components:\n#   - ..", "components:\n  - .."))
    return built(desk.parent)


def named(manifests: list[dict[str, Any]], kind: str, name: str = "loan-monitor") -> dict[str, Any]:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].startswith(name)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_meets_the_schema_of_its_kind(manifests: list[dict[str, Any]], version: str) -> None:
    known = [m for m in manifests if m["apiVersion"] != OPERATOR]
    assert len(known) == len(manifests) - 2 == 9
    for manifest in known:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_wrong_key_would_be_noticed(manifests: list[dict[str, Any]]) -> None:
    pod = named(manifests, "StatefulSet")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**pod, "spec": {**pod["spec"], "replica": 1}}, VERSIONS[-1], strict=True)


def test_there_is_one_daemon_and_its_pod_is_restricted(manifests: list[dict[str, Any]]) -> None:
    """The namespace asks for the level `restricted` of the Pod Security Standards; no cluster is here to enforce it."""
    assert named(manifests, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    stateful = named(manifests, "StatefulSet")["spec"]
    assert stateful["replicas"] == 1
    pod = stateful["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert not pod["automountServiceAccountToken"]
    assert {next(iter(v.keys() - {"name"})) for v in pod["volumes"]} <= {"configMap", "secret", "emptyDir"}
    user = next(line for line in (DEPLOY.parent / "Dockerfile").read_text().splitlines() if line.startswith("USER"))
    assert user == f"USER {pod['securityContext']['runAsUser']}"


def test_what_is_named_is_there(manifests: list[dict[str, Any]]) -> None:
    """Names of what is generated end in a digest; each reference to it has to follow."""
    pod = named(manifests, "StatefulSet")["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    config, secret = named(manifests, "ConfigMap"), named(manifests, "Secret")
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"] != "loan-monitor"
    assert volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"]
    (container,) = pod["containers"]
    claims = {c["metadata"]["name"] for c in named(manifests, "StatefulSet")["spec"]["volumeClaimTemplates"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes.keys() | claims
    (endpoint,) = named(manifests, "ServiceMonitor")["spec"]["endpoints"]
    credentials = endpoint["authorization"]["credentials"]
    assert credentials["name"] == secret["metadata"]["name"]
    assert credentials["key"] in secret["data"]
    ports = {port["name"] for port in container["ports"]}
    for service in ("loan-monitor", "loan-monitor-health"):
        spec = next(m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == service)["spec"]
        assert {port["targetPort"] for port in spec["ports"]} <= ports
        assert spec["publishNotReadyAddresses"] is True, "people need it most while it is not ready"
        assert (
            spec["selector"].items()
            <= named(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
        )


def test_the_daemon_takes_the_configuration_of_the_example(
    manifests: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its ports as the pod names them, and each secret that it names."""
    import base64

    pod = named(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    mounts = {m["name"]: m["mountPath"] for m in pod["volumeMounts"]}
    for name, text in named(manifests, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text.replace(mounts["secrets"], str(tmp_path)))
    for name, value in named(manifests, "Secret")["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(value))
    assert pod["args"][:3] == ["run", "--config", f"{mounts['config']}/monitor.toml"]
    loaded = configuration.load(tmp_path / "monitor.toml")
    ports = {port["name"]: port["containerPort"] for port in pod["ports"]}
    assert (loaded.web.port, loaded.web.health_port) == (ports["web"], ports["health"])
    assert loaded.web.host == "0.0.0.0"
    assert mounts["var"] == f"/app/{loaded.state_dir}"
    from monitor.daemon import wiring

    assert wiring.unusable(tmp_path / "monitor.toml", loaded.named) == []


def test_the_rules_are_those_of_prometheus(manifests: list[dict[str, Any]]) -> None:
    assert named(manifests, "PrometheusRule")["spec"] == yaml.safe_load(RULES.read_text())
