"""A version's own packages: what installs them in its pods, and what its status means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clipper_server.places import Runtime
from clipper_server.places.kubernetes import deployments, manifests, packages, pods
from tests.places.kubernetes.test_deployments import RESOURCES, spec
from tests.places.kubernetes.test_pods import one, replica
from tests.support import schemas

WANTED = Runtime(requirements=("six==1.17", "$(PIP_INDEX_URL).whl"))


def template(**fields: Any) -> Any:
    return deployments.deployment(spec(**fields), 1, "r.example.com")["spec"]["template"]


def installer(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    """A replica's pod in which that container has this state."""
    first = {"name": packages.INSTALLER, "args": ["six==1.17"]}
    status = {"name": packages.INSTALLER, "state": state, "lastState": last or {}}
    others = {"name": "a-mesh", "state": {"terminated": {"exitCode": 0}}}
    waiting = {"state": {"waiting": {"reason": "PodInitializing"}}}
    return replica(
        {"phase": "Pending", "initContainerStatuses": [others, status], "containerStatuses": [waiting]},
        initContainers=[{"name": "a-mesh", "args": ["x"]}, first],
    )


def ended(code: int, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **more}}


def test_a_container_with_the_models_image_rights_and_limits_installs_them_first() -> None:
    pod = template(runtime=WANTED, resources=RESOURCES)["spec"]
    (first,), (model,) = pod["initContainers"], pod["containers"]
    for part in ("image", "resources", "securityContext", "terminationMessagePolicy"):
        assert first[part] == model[part]
    assert first["command"] == ["python", "-P", "-m", "clipper_container.environment", "/packages"]
    assert model["command"] == ["/packages/bin/python", "-P", "-m", "clipper_container"]
    mounts = [{m["mountPath"]: m.get("readOnly", False) for m in c["volumeMounts"]} for c in (first, model)]
    assert mounts[0] == {"/tmp": False, "/dev/shm": False, "/packages": False}
    assert mounts[1] == {**mounts[0], "/packages": True}
    assert {"name": "packages", "emptyDir": {"sizeLimit": "10Gi"}} in pod["volumes"]


def test_it_has_pips_settings_and_nothing_of_the_models() -> None:
    (first,) = template(runtime=WANTED)["spec"]["initContainers"]
    assert first["envFrom"] == [{"secretRef": {"name": "clipper-pip", "optional": True}}]
    assert {variable["name"] for variable in first["env"]} == {"PIP_NO_CACHE_DIR", "PIP_PROGRESS_BAR"}
    assert first["args"] == ["six==1.17", "$$(PIP_INDEX_URL).whl"]  # as it is, and not as Kubernetes reads it


def test_a_version_without_packages_has_nothing_of_it() -> None:
    plain = template()
    assert "initContainers" not in plain["spec"]
    assert "command" not in plain["spec"]["containers"][0]
    assert "packages" not in json.dumps(plain)


def test_a_policy_lets_these_pods_alone_reach_an_index() -> None:
    (policy,) = [
        m for m in manifests.base() if (m["kind"], m["metadata"]["name"]) == ("NetworkPolicy", "packages")
    ]
    chosen = policy["spec"]["podSelector"]["matchLabels"].items()
    assert chosen <= template(runtime=WANTED)["metadata"]["labels"].items()
    assert not chosen <= template()["metadata"]["labels"].items()
    assert policy["spec"]["egress"] == [{"ports": [{"port": 443, "protocol": "TCP"}]}]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_takes_it(version: str) -> None:
    schemas.validate(deployments.deployment(spec(runtime=WANTED, resources=RESOURCES), 1, ""), version)


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (ended(1, message="ERROR: no such version"), {}),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, ended(1, message="ERROR: no such version")),
        ({"running": {}}, ended(1, message="ERROR: no such version")),
    ],
)
def test_why_they_cannot_be_installed_is_told_for_as_long_as_it_is_so(
    state: dict[str, Any], last: dict[str, Any]
) -> None:
    trouble = one(installer(state, last))
    assert trouble.hopeless
    assert "m:1 does not begin on node node-a: pip install six==1.17 failed." in trouble.text
    assert trouble.text.endswith("\n\nERROR: no such version")


def test_who_is_ended_from_outside_while_it_installs_says_nothing_of_packages() -> None:
    states: list[dict[str, Any]] = [ended(143), ended(1, message="ERROR: no such version")]
    for state in states:
        stopping = installer(state)
        stopping["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        assert pods.troubles(stopping) == []
        evicted = installer(state)
        evicted["status"]["phase"] = "Failed"
        assert pods.troubles(evicted) == []
    for reason in ("Unknown", "ContainerStatusUnknown"):  # its node began anew, and it tries again
        assert pods.troubles(installer({"running": {}}, ended(255, reason=reason))) == []


def test_an_image_of_another_clipper_lab_is_no_fault_of_the_packages() -> None:
    said = "/usr/bin/python: No module named clipper_container.environment"
    assert "Its image has another Clipper Lab" in one(installer(ended(1, message=said))).text


def test_memory_that_is_too_little_for_pip_and_silence_are_told_too() -> None:
    assert "more memory" in one(installer(ended(137, reason="OOMKilled"))).text
    assert "exit code 2, and said nothing" in one(installer(ended(2))).text


def test_nothing_is_wrong_while_they_are_installed_and_when_they_are() -> None:
    states: list[dict[str, Any]] = [{"waiting": {"reason": "PodInitializing"}}, {"running": {}}, ended(0)]
    for state in states:
        assert pods.troubles(installer(state)) == []
    assert pods.troubles(installer(ended(0), ended(1))) == []


def test_its_image_may_be_missing_too() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    assert "image clipper-python:1 cannot be pulled" in one(installer(waiting)).text


def test_how_far_pip_is() -> None:
    pod = installer({"running": {}})
    assert packages.progress(pod, "") == "pip installs six==1.17"
    assert packages.progress(pod, "Collecting six\n") == "pip installs six==1.17: Collecting six"


def test_packages_that_are_too_large_for_their_volume_are_not_the_models_own_files() -> None:
    evicted = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": 'Usage of EmptyDir volume "packages" exceeds the limit "10Gi". ',
    }
    assert "makes an image with them" in pods.last_end(replica(evicted))[1]
