"""The files for Ray: the pods meet the schema of Kubernetes, and the cluster file that of Ray, where Ray is installed."""

from __future__ import annotations

import json
from pathlib import Path

import kubernetes_validate
import msgspec
import pytest
import yaml

from monitor.tables import EngineTable
from tests.deploy.programs import DEPLOY
from tests.deploy.test_kubernetes import VERSIONS

RAY = DEPLOY / "ray"


def test_the_pods_of_the_cluster_meet_the_schema_of_kubernetes() -> None:
    cluster = yaml.safe_load((RAY / "kuberay.yaml").read_text())
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert len(groups) == 2
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        template = {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "shards"},
            "template": group["template"],
        }
        kubernetes_validate.validate(template, VERSIONS[-1], strict=True)


def test_the_cluster_file_meets_the_schema_of_ray() -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    import jsonschema

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((RAY / "cluster.yaml").read_text()), schema)


@pytest.mark.parametrize("table", [{"ray": "auto"}, {"ray": "10.0.0.1", "shards": 2}])
def test_ray_without_shards_or_with_another_address_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"^ray: "):
        msgspec.convert(table, EngineTable)
