"""How the tests are given to processes, on collections that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import _ByModule, _fitting, _group, _longest_first

DOCKER = "tests/places/docker/test_docker.py"
EVERYWHERE = "tests/places/test_cluster.py"


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/query/test_queue.py::test_a", "tests/query/test_queue.py"),
        ("tests/query/test_queue.py::test_a[1-docker_image]", "tests/query/test_queue.py"),
        (f"{EVERYWHERE}::test_a[process]", EVERYWHERE),
        (f"{EVERYWHERE}::test_a[docker]", "on docker"),
        (f"{EVERYWHERE}::test_a[docker-1]", "on docker"),
        (f"{EVERYWHERE}::test_a[1-docker]", "on docker"),
        ("tests/lessons/test_notebooks.py::test_it_runs[11_put_models_into_containers]", "on docker"),
        (f"{DOCKER}::test_a", "of docker"),
        (f"{DOCKER}::test_a[docker]", "of docker"),
    ],
)
def test_a_group_is_a_module_or_what_takes_names_on_the_engine(test: str, group: str) -> None:
    assert _group(test) == group


@pytest.mark.parametrize(
    ("waiting", "for_the_engine", "for_others"),
    [
        (["a", "on docker", "b", "of docker"], "on docker", "a"),
        (["of docker", "on docker", "a"], "of docker", "a"),
        (["a", "b"], None, "a"),
        (["on docker", "of docker"], "on docker", None),
        ([], None, None),
    ],
)
def test_the_first_that_fits_is_given(
    waiting: Sequence[str], for_the_engine: str | None, for_others: str | None
) -> None:
    assert _fitting(waiting, engine=True) == for_the_engine
    assert _fitting(waiting, engine=False) == for_others


def item(test: str, limit: float = 0, skip: bool = False, cluster: bool = False) -> Any:
    marks = {"timeout": SimpleNamespace(args=(limit,)) if limit else None, "skip": skip or None}
    return SimpleNamespace(
        nodeid=test, get_closest_marker=marks.get, fixturenames=["attach"] if cluster else []
    )


def test_what_may_take_long_begins_first_and_a_group_stays_as_it_was() -> None:
    items = [
        item("quick.py::b"),
        item("clusters.py::a", cluster=True),
        item("long.py::b"),
        item("long.py::a", limit=600),
        item("skipped.py::a", limit=900, skip=True),
        item("more.py::a", cluster=True),
        item("more.py::b", cluster=True),
        item("quick.py::a"),
    ]
    _longest_first(items)
    first, *rest = [each.nodeid for each in items]
    assert [first, *rest[:4]] == ["long.py::b", "long.py::a", "more.py::a", "more.py::b", "clusters.py::a"]
    assert [test for test in rest if test.startswith("quick")] == ["quick.py::b", "quick.py::a"]


class Process:
    """One of xdist's, as its scheduler knows them: it runs what it is given, in order."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.waiting: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.waiting += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run(tests: list[str], processes: int) -> list[list[str]]:
    """What each process runs, where all of them are equally quick."""
    option = SimpleNamespace(loadscopereorder=False, maxschedchunk=None)
    config: Any = SimpleNamespace(option=option, getvalue=lambda _: ["popen"] * processes)
    log: Any = SimpleNamespace(loadscopesched=lambda *_: None)
    schedule = _ByModule(config, log)
    nodes: list[Any] = [Process(f"gw{number}") for number in range(processes)]
    for node in nodes:
        schedule.add_node(node)
        schedule.add_node_collection(node, tests)
    schedule.schedule()
    ran: list[list[str]] = [[] for _ in nodes]
    for turn in count():
        assert turn < len(tests) + 1
        if not any(node.waiting for node in nodes):
            return ran
        for node, done in zip(nodes, ran, strict=True):
            if node.waiting:
                index = node.waiting.pop(0)
                done.append(tests[index])
                schedule.mark_test_complete(node, index)
    raise AssertionError


def five_of(*groups: str) -> list[str]:
    return [f"{module}::{test}" for module in groups for test in ("a", "b", "c", "d", "e")]


def test_one_process_has_what_waits_for_the_engine_and_the_others_have_the_rest() -> None:
    tests = five_of("one.py", DOCKER, "two.py", "three.py")
    on_it = [f"{EVERYWHERE}::{test}[docker]" for test in ("a", "b", "c", "d", "e")]
    first, second = run([*tests, *on_it], 2)
    assert first[:10] == [*five_of(DOCKER), *on_it]
    assert second[:10] == five_of("one.py", "two.py")
    assert sorted([*first, *second]) == sorted([*tests, *on_it])


def test_who_has_nothing_of_his_own_helps_the_others() -> None:
    tests = five_of("one.py", "two.py", DOCKER)
    assert run(tests, 1) == [[*five_of(DOCKER), *five_of("one.py", "two.py")]]
    first, second = run(five_of("one.py", "two.py", "three.py", "four.py"), 2)
    assert (len(first), len(second)) == (10, 10)
    first, second = run([*five_of(DOCKER), *(f"{EVERYWHERE}::{test}[docker]" for test in "abcde")], 2)
    assert {_group(test) for test in first} | {_group(test) for test in second} == {"of docker", "on docker"}
