"""What a model version is on Kubernetes."""

from __future__ import annotations

import dataclasses
import json

import pytest

from clipper_container import image
from clipper_container.resources import Resources
from clipper_server.places import ByCpu, Runtime, Spec, Wanted
from clipper_server.places.kubernetes import autoscalers, deployments
from tests.places.kubernetes.test_manifests import VERSIONS
from tests.support import schemas

RESOURCES = Resources.of(
    2,
    "1Gi",
    gpus=1,
    devices={"example.com/fpga": 2},
    shared_memory="64Mi",
    node_selector={"disk": "fast"},
    tolerations=[{"key": "gpu", "operator": "Exists", "tolerationSeconds": 30}],
)


def spec(model: str = "m", version: str = "1", **fields: object) -> Spec:
    environment = {"CLIPPER_TOKEN": "the-secret", "CLIPPER_REPLICA": "0", "CLIPPER_MODEL_NAME": model}
    labels = {"model": model, "version": version, "replica": "0"}
    return Spec(f"{model}.{version}.0", "replica", environment, labels, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kubernetes_takes_them(version: str) -> None:
    for each in (spec(), spec(resources=RESOURCES, runtime=Runtime(image="mine:1"))):
        for manifest in (
            deployments.deployment(each, 3, "r.example.com"),
            deployments.secret(each),
            deployments.budget(each),
            deployments.deployment(each, None, "r.example.com"),
            autoscalers.autoscaler(Wanted(each, 3, ByCpu(1, 5, 70))),
        ):
            schemas.validate(manifest, version)


def test_resources_are_requests_and_limits_alike() -> None:
    pod = deployments.deployment(spec(resources=RESOURCES), 1, "")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    wanted = {"cpu": "2", "memory": str(1 << 30), "nvidia.com/gpu": "1", "example.com/fpga": "2"}
    assert container["resources"] == {"requests": wanted, "limits": wanted}
    assert pod["nodeSelector"] == {"disk": "fast"}
    first, *lost = pod["tolerations"]
    assert first == {"key": "gpu", "operator": "Exists", "tolerationSeconds": 30}
    assert {(one["key"], one["tolerationSeconds"]) for one in lost} == {
        ("node.kubernetes.io/not-ready", 30),
        ("node.kubernetes.io/unreachable", 30),
    }
    plain = deployments.deployment(spec(), 1, "")["spec"]["template"]["spec"]
    assert plain["containers"][0]["resources"] == {}
    assert "nodeSelector" not in plain


def test_the_credential_is_in_the_secret_only() -> None:
    deployment = deployments.deployment(spec(), 1, "")
    assert "the-secret" not in json.dumps(deployment)
    assert deployments.secret(spec())["stringData"] == {"token": "the-secret"}
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    names = [variable["name"] for variable in environment]
    assert len(names) == len(set(names))
    (reference,) = [v for v in environment if v["name"] == "CLIPPER_TOKEN"]
    assert reference["valueFrom"]["secretKeyRef"]["name"] == deployments.secret(spec())["metadata"]["name"]


def test_a_version_that_comes_again_has_a_secret_of_its_own() -> None:
    first, again = spec(), spec()
    again.environment["CLIPPER_TOKEN"] = "another-secret"
    secrets = [deployments.secret(each)["metadata"]["name"] for each in (first, again)]
    assert secrets[0] != secrets[1]
    before, after = (deployments.deployment(each, 1, "")["metadata"] for each in (first, again))
    assert before["name"] == after["name"]
    assert before["annotations"] != after["annotations"], "its pods are replaced"


def test_the_owners_variables_are_in_the_deployments_secret_only() -> None:
    found = spec()
    env = {"KEY": "a-secret", "OMP_NUM_THREADS": "4"}
    each = dataclasses.replace(found, environment={**env, **found.environment})
    template = deployments.deployment(each, 1, "")["spec"]["template"]
    assert "a-secret" not in json.dumps(template)
    content = {"token": "the-secret", "env.KEY": "a-secret", "env.OMP_NUM_THREADS": "4"}
    assert deployments.secret(each)["stringData"] == content
    environment = {v["name"]: v for v in template["spec"]["containers"][0]["env"]}
    assert environment["KEY"]["valueFrom"]["secretKeyRef"]["key"] == "env.KEY"
    assert "value" not in environment["OMP_NUM_THREADS"]


def test_no_two_versions_share_a_name_and_long_ones_fit() -> None:
    assert deployments.name_of("a-b", "c") != deployments.name_of("a", "b-c")
    longest = deployments.name_of("m" * 63, "v" * 63)
    assert len(longest) <= 47  # and 16 for what a pod's name adds make 63


def test_the_digest_is_of_everything_but_the_number_of_replicas() -> None:
    def digest(of: Spec, count: int) -> str:
        found: str = deployments.deployment(of, count, "")["metadata"]["annotations"][deployments.DIGEST]
        return found

    assert digest(spec(), 1) == digest(spec(), 2)
    assert digest(spec(), 1) != digest(spec(resources=RESOURCES), 1)


def test_the_image_is_its_owners_or_the_loaders() -> None:
    assert deployments.image_of(Runtime(image="mine:1"), "r") == "mine:1"
    found = deployments.image_of(Runtime(python_version="3.12.4", loader="sklearn"), "r")
    assert found == image.tag("sklearn", python="3.12", registry="r")
