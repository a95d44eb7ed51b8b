"""The manifests: as the API server of each Kubernetes would take them, and as kustomize reads them."""

from __future__ import annotations

import functools
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipper_container import image
from clipper_server.places.kubernetes import manifests, ports
from clipper_server.places.kubernetes.manifests import Choices, Manifest
from tests.support import parts, schemas

VERSIONS = [
    "1.30",
    *(pytest.param(f"1.{minor}", marks=pytest.mark.slow) for minor in range(31, 37)),
    "1.37",
]
FOLDER = Path(str(resources.files("clipper_container"))) / "kubernetes"


def validated(found: list[Manifest], version: str) -> None:
    assert found
    for manifest in found:
        schemas.validate(manifest, version)


@functools.cache
def kustomized(overlay: str) -> list[Manifest]:
    path = shutil.which("kubectl")
    parts.need("kubectl", path is not None, "https://kubernetes.io/docs/tasks/tools/ has it.")
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / overlay)], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(found: list[Manifest], kind: str, name: str) -> Manifest:
    (manifest,) = [m for m in found if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return manifest


def container(found: list[Manifest], name: str) -> Any:
    (only,) = one(found, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kubernetes_takes_them(version: str) -> None:
    validated(manifests.base(), version)
    choices = Choices("c", "n", "r.example.com", 3, 0, {"query": "NodePort"}, False, ("pull",))
    validated(manifests.cluster(choices), version)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", ["base", "overlays/local", "overlays/production"])
def test_kustomize_makes_what_every_kubernetes_takes(overlay: str, version: str) -> None:
    validated(kustomized(overlay), version)


def test_the_local_overlay_has_one_frontend_and_the_production_one_counts_them_by_load() -> None:
    local, production = kustomized("overlays/local"), kustomized("overlays/production")
    assert one(local, "Deployment", "query")["spec"]["replicas"] == 1
    assert "replicas" not in one(production, "Deployment", "query")["spec"]
    assert one(production, "HorizontalPodAutoscaler", "query")["spec"]["minReplicas"] == 2
    assert container(production, "management")["args"][-2:] == ["--registry", "registry.example.com"]


def test_the_image_is_the_one_of_this_version() -> None:
    tag = image.tag("server", python="3.11")
    assert {container(manifests.base(), name)["image"] for name in ("management", "query")} == {tag}


def test_pods_keep_to_the_restricted_standard() -> None:
    for manifest in manifests.base():
        if manifest["kind"] == "Namespace":
            assert manifest["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        if manifest["kind"] != "Deployment":
            continue
        pod = manifest["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in pod["containers"]:
            context = each["securityContext"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context["allowPrivilegeEscalation"]
            assert context["readOnlyRootFilesystem"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("spoken", [{}, {8501: "http", 8500: "grpc"}])
def test_every_kubernetes_takes_the_ports_of_protocols(version: str, spoken: dict[int, str]) -> None:
    service, policy = ports.manifests(spoken)
    queries = one(manifests.base(), "Service", "query")["spec"]
    both = {**service, "spec": {**queries, "ports": [*queries["ports"], *service["spec"]["ports"]]}}
    validated([both, policy], version)
    assert policy["spec"] == {
        **one(manifests.base(), "NetworkPolicy", "protocols")["spec"],
        **({"ingress": policy["spec"]["ingress"]} if spoken else {}),
    }


def test_protocols_that_are_named_are_on_from_the_start() -> None:
    found = manifests.cluster(Choices("c", "n", protocols="open-inference-grpc"))
    assert container(found, "management")["args"][-2:] == ["--protocols", "open-inference-grpc"]


def test_ports_and_selectors_agree() -> None:
    found = manifests.base()
    deployments = [m for m in found if m["kind"] == "Deployment"]
    for service in (m for m in found if m["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        templates = [deployment["spec"]["template"] for deployment in deployments]
        (target,) = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        ports = {port["name"]: port["containerPort"] for port in target["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    assert one(found, "Service", "frontends")["spec"]["publishNotReadyAddresses"]


def test_only_management_may_ask_the_api_server() -> None:
    found = manifests.base()
    (role,) = [m for m in found if m["kind"] == "Role"]
    assert not [m for m in found if m["kind"].startswith("Cluster")]
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in role["rules"])
    assert not one(found, "Deployment", "query")["spec"]["template"]["spec"]["automountServiceAccountToken"]


def test_choices_change_what_they_say_and_nothing_else() -> None:
    choices = Choices(
        *("c", "n", "r.example.com", 3, 0, {"query": "NodePort"}, False, ("pull",)), cors_origins="*"
    )
    found = manifests.cluster(choices)
    assert {m["metadata"].get("namespace", "n") for m in found} == {"n"}
    assert one(found, "Namespace", "n")
    assert one(found, "Deployment", "query")["spec"]["replicas"] == 3
    assert one(found, "Service", "query")["spec"]["type"] == "NodePort"
    assert one(found, "ServiceAccount", "serving")["imagePullSecrets"] == [{"name": "pull"}]
    assert container(found, "query")["image"] == image.tag("server", registry="r.example.com")
    arguments = container(found, "management")["args"]
    assert arguments[-3:] == ["--cors-origins", "*", "--no-storage"]
    assert arguments[-7:-3] == ["--registry", "r.example.com", "--cache-size", "0"]
    volumes = one(found, "Deployment", "management")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "state", "emptyDir": {"sizeLimit": "2Gi"}} in volumes
    assert not [m for m in found if m["kind"] == "PersistentVolumeClaim"]


def test_management_changes_no_secret_and_reads_one() -> None:
    role = one(manifests.base(), "Role", "management")
    rules = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    free = [rule["verbs"] for rule in rules if "resourceNames" not in rule]
    named = {tuple(rule["resourceNames"]): rule["verbs"] for rule in rules if "resourceNames" in rule}
    assert free == [["create"]]
    assert named == {("clipper-token",): ["get"]}


def test_a_replica_without_resources_does_not_take_a_whole_node() -> None:
    (limit,) = one(manifests.base(), "LimitRange", "replicas")["spec"]["limits"]
    assert limit == {"type": "Container", "default": {"memory": "4Gi"}, "defaultRequest": {"memory": "64Mi"}}
