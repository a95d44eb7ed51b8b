"""A version's HorizontalPodAutoscaler, and what its status means; as the API server words it."""

from __future__ import annotations

from typing import Any

import pytest

from clipper_server.places import ByCpu, Trouble, Wanted
from clipper_server.places.kubernetes import autoscalers
from tests.places.kubernetes.test_deployments import spec

NO_METRICS = (
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics "
    "for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the "
    "requested resource (get pods.metrics.k8s.io)"
)


def with_conditions(*conditions: tuple[str, str, str, str], **status: Any) -> dict[str, Any]:
    found = [dict(zip(("type", "status", "reason", "message"), c, strict=True)) for c in conditions]
    made = autoscalers.autoscaler(Wanted(spec(), 3, ByCpu(1, 5, 70)))
    return {**made, "status": {"conditions": found, **status}}


def test_it_keeps_the_deployments_cpu_load_between_the_bounds() -> None:
    made = autoscalers.autoscaler(Wanted(spec(), 3, ByCpu(2, 5, 70)))
    assert made["spec"]["scaleTargetRef"]["name"] == made["metadata"]["name"]
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 5)
    other = autoscalers.autoscaler(Wanted(spec(), 9, ByCpu(2, 5, 80)))
    assert made["metadata"]["annotations"] != other["metadata"]["annotations"]
    assert autoscalers.is_of_a_model(made)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (NO_METRICS, "Install metrics-server, or let Clipper Lab's own measure of load do it"),
        ("failed to get cpu utilization: missing request for cpu in container model of Pod x", '{"cpus": 1}'),
        ("no metrics returned from resource metrics API", "about a minute after a pod starts"),
        ("something new", "its autoscaler says FailedGetResourceMetric (something new)."),
    ],
)
def test_why_it_does_not_scale(message: str, advice: str) -> None:
    found = with_conditions(
        ("AbleToScale", "True", "SucceededGetScale", ""),
        ("ScalingActive", "False", "FailedGetResourceMetric", message),
    )
    (trouble,) = autoscalers.troubles(found)
    assert trouble.text.startswith("m:1 keeps its number of replicas: ")
    assert advice in trouble.text
    assert (trouble.subject, trouble.hopeless) == ({"model": "m", "version": "1"}, False)


def test_more_than_it_may_have_is_told_and_fewer_is_not() -> None:
    most = ("ScalingLimited", "True", "TooManyReplicas", "the desired replica count is more than the maximum")
    (trouble,) = autoscalers.troubles(with_conditions(most))
    assert "m:1 has its 5 replicas, and its CPU load wants more" in trouble.text
    least = ("ScalingLimited", "True", "TooFewReplicas", "the desired replica count is less than the minimum")
    assert autoscalers.troubles(with_conditions(least)) == []
    assert autoscalers.troubles(with_conditions()) == []


def test_that_of_the_query_frontends_is_told_of_as_the_clusters() -> None:
    found = with_conditions(("ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS))
    found["metadata"] = {"name": "query", "labels": {"app.kubernetes.io/name": "clipper"}}
    (trouble,) = autoscalers.troubles(found)
    assert isinstance(trouble, Trouble)
    assert trouble.text.startswith("The set of query frontends keeps its number")
    assert "set_autoscaling" not in trouble.text
    assert trouble.subject == {}
    assert not autoscalers.is_of_a_model(found)


def test_it_says_what_it_measured() -> None:
    assert autoscalers.why(with_conditions(), 4) == "its autoscaler decided so"
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 140}}}]
    found = with_conditions(currentMetrics=current, desiredReplicas=4)
    assert autoscalers.why(found, 3) == "its autoscaler decided so"  # for it measured that before
    assert (
        autoscalers.why(found, 4)
        == "it uses 140 % of the CPU that it asks for, and 70 % is what it should be"
    )
