from __future__ import annotations

from typing import Any

import pytest

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.resources import GPU, Resources
from clipper_server.places.process import allocation


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("512Mi", 512 << 20),
        ("2G", 2 * 10**9),
        ("1.5Gi", 3 << 29),
        (1024, 1024),
        ("100000", 100_000),
        (None, None),
    ],
)
def test_memory_is_written_as_people_write_it(written: int | str | None, size: int | None) -> None:
    assert Resources.of(memory=written).memory == size


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"cpus": 0}, "cpus must be a number above 0"),
        ({"cpus": True}, "cpus must be"),
        ({"memory": "much"}, "memory must be bytes"),
        ({"node_selector": ["fast"]}, "node_selector is a dictionary of labels"),
        ({"tolerations": [{"key": []}]}, "tolerations a list of dictionaries"),
        ({"memory": -1}, "memory must be bytes"),
        ({"devices": {"gpu": 1}}, "write vendor/device"),
        ({"devices": {"a.b/c": 0}}, "whole number of devices"),
    ],
)
def test_what_is_no_resource_is_refused(wanted: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        Resources.of(**wanted)  # type: ignore[arg-type]


def test_a_gpu_is_a_device_like_any_other() -> None:
    assert Resources.of(gpus=2).devices == {GPU: 2}
    assert Resources.of(devices={"google.com/tpu": 4}).gpus == 0
    assert Resources.read({"cpus": 1, "gpus": 1}) == Resources(1.0, None, {GPU: 1})
    assert Resources.read(None) == Resources()
    with pytest.raises(BadRequest, match="must be a dictionary"):
        Resources.read({"disk": 1})


def test_what_a_machine_cannot_give_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "cores", lambda: [0, 1])
    monkeypatch.setattr(allocation, "gpus", lambda: [0])
    allocation.check(Resources.of(cpus=2, memory="128Mi", gpus=1))
    for wanted, words in [
        (Resources.of(cpus=1.5), "whole cores"),
        (Resources.of(cpus=3), "has 2 cores"),
        (Resources.of(memory=1000), "needs at least 64 MiB"),
        (Resources.of(memory="1000Ti"), "this machine has"),
        (Resources.of(gpus=2), "has 1, and 2 are asked for"),
        (Resources.of(devices={"google.com/tpu": 1}), "Kubernetes has them"),
    ]:
        with pytest.raises(BadRequest, match=words):
            allocation.check(wanted)


def test_cores_are_shared_out_and_gpus_are_not_shared() -> None:
    assert allocation.least_used(2, [0, 1, 2, 3], [0, 0, 1]) == [2, 3]
    assert allocation.least_used(3, [0, 1, 2, 3], [0, 0, 1, 2]) == [3, 1, 2]
    assert allocation.free(1, [0, 1], [0]) == [1]
    with pytest.raises(ClusterError, match=r"GPUs asked for: 2\. Free: 1"):
        allocation.free(2, [0, 1], [0])


@pytest.mark.parametrize("wanted", [{"node_selector": {"disk": "fast"}}, {"tolerations": [{"key": "x"}]}])
def test_one_machine_has_no_nodes_to_choose_from(wanted: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="here is one machine"):
        allocation.check(Resources.of(**wanted))
