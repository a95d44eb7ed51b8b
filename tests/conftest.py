from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import uvicorn.server
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from clipperlab import ClipperConnection, ClipperException
from tests.support import places
from tests.support.clusters import Attach, deploy_who
from tests.support.own_network import own_network

# jsonschema takes two seconds to make its grammar, for a format that no schema here has.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take long")
    parser.addoption("--reversed", action="store_true", help="run the last test first: none may need another")


@pytest.hookimpl(tryfirst=True)  # and so before xdist's
def pytest_cmdline_main(config: pytest.Config) -> None:
    """All of the tests have a process on each core, and 4 at most; what is chosen from them has this one.

    Every day there are two more, for they wait for a third of their time; with those that take long, of which
    some would be kept waiting by a crowded machine, there is one more, for what waits for the Docker engine.
    """
    option = config.option
    option.loadscopereorder = False  # see `_longest_first`
    everything = {Path(given).resolve() for given in config.args} == {Path(__file__).parent}
    chosen = option.keyword or option.markexpr or getattr(option, "lf", False) or option.usepdb
    one_of_them = hasattr(config, "workerinput")
    if option.numprocesses is None and everything and not chosen and not one_of_them:
        option.numprocesses = min(os.cpu_count() or 1, 4) + (1 if option.slow else 2)


def pytest_configure(config: pytest.Config) -> None:
    """Properties have a quarter of their examples every day, and no limit to how slow the machine is. Their
    examples are the same in every run: what fails is then what was changed. Others are for the fuzzers.
    """
    settings.register_profile(
        "ours",
        max_examples=100 if config.getoption("--slow") else 25,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("ours")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays: nobody looks through it for garbage again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = str(config.getoption("-m"))
    if not config.getoption("--slow") and wanted != "kubernetes":
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
    if "kubernetes" not in wanted:  # nobody's cluster is touched unless it is asked for
        on_kubernetes = [item for item in items if item.get_closest_marker("kubernetes")]
        config.hook.pytest_deselected(items=on_kubernetes)
        items[:] = [item for item in items if not item.get_closest_marker("kubernetes")]
    for item in items:
        given = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        if given.get("place") == "docker":
            assert _group(item.nodeid) == "on docker", f"{item.nodeid} might run beside others there"
    if hasattr(config, "workerinput"):
        _longest_first(items)
    if config.getoption("--reversed"):
        items.reverse()


def _group(nodeid: str) -> str:
    """One group's tests run one after the other: a module's, which share fixtures, and two groups on Docker,
    whose clusters have other names: what Docker adds, and what holds of every place.
    """
    module, _, test = nodeid.partition("::")
    if "/docker/" in module:
        return "of docker"
    return "on docker" if re.search(r"[\[-]docker[\]-]|\[11_", test) else module


ON_THE_ENGINE = ("of docker", "on docker")


def _longest_first(items: list[pytest.Item]) -> None:
    """Groups that may take long begin first, so that none is left with all others at their end.

    How long is told by their tests' limits, and then by how many have a cluster.
    """
    nothing = (0.0, 0)
    longest: dict[str, tuple[float, int]] = {}
    for item in items:
        if not item.get_closest_marker("skip"):
            most, clusters = longest.get(_group(item.nodeid), nothing)
            limit = item.get_closest_marker("timeout")
            most = max(most, limit.args[0] if limit else 0.0)
            clusters += "attach" in getattr(item, "fixturenames", ())
            longest[_group(item.nodeid)] = (most, clusters)
    items.sort(key=lambda item: longest.get(_group(item.nodeid), nothing), reverse=True)


def _fitting(waiting: Iterable[str], *, engine: bool) -> str | None:
    """The first of these groups that waits for the Docker engine, or does not; None where there is none."""
    return next((group for group in waiting if (group in ON_THE_ENGINE) == engine), None)


class _ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """Groups beside each other, but names are taken once on a Docker engine."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """While there is both, one process has what waits for the engine, and the others have the rest."""
        if group := _fitting(self.workqueue, engine=node is self.nodes[0]):
            self.workqueue.move_to_end(group, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByModule:
    return _ByModule(config, log)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class _Prompt:
    """asyncio, for a uvicorn in this process: it looks ten times a second whether to end, which hundreds of
    tests would wait for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(delay / 20)


@pytest.fixture(scope="session", autouse=True)
def prompt_uvicorn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _Prompt())
        yield


@pytest.fixture(scope="module", autouse=True)
def browsers_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module with a browser has a network of its own."""
    with own_network() if hasattr(request.module, "sync_playwright") else nullcontext():
        yield


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[places.Place]:
    """Where the module's clusters run: processes, unless the module is marked with `places.EVERYWHERE`."""
    with places.find(getattr(request, "param", "process")) as found:
        yield found


@pytest.fixture(scope="module")
def attach(place: places.Place) -> Attach:
    """Makes connections to clusters by name, on free ports, in a home that ends with the module."""
    return place.connection


@pytest.fixture(scope="module")
def conn(attach: Attach, place: places.Place) -> Iterator[ClipperConnection]:
    """One cluster for the tests that break nothing of it."""
    connection = attach("shared")
    try:
        connection.start_clipper(cache_size=0, fresh=True)
        yield connection
    finally:
        connection.stop_all(purge=True)
    assert place.left("shared") == []


def _empty(connection: ClipperConnection) -> None:
    try:
        connection.status()
    except ClipperException:
        connection.connect()  # which starts what a test that failed half-way has killed
    for name in connection.get_all_apps():
        connection.unregister_application(name)
    connection.stop_models(sorted({v["model_name"] for v in connection.get_all_models(verbose=True)}))


@pytest.fixture
def cluster(conn: ClipperConnection) -> Iterator[ClipperConnection]:
    """The shared cluster, empty again at the end, however the test went."""
    yield conn
    _empty(conn)


@pytest.fixture(scope="module")
def mended(attach: Attach) -> Iterator[list[ClipperConnection]]:
    """The cluster that a test has broken and that is whole and empty again, if there is one."""
    found: list[ClipperConnection] = []
    yield found
    for connection in found:
        connection.stop_all(graceful=False, purge=True)


@pytest.fixture
def breakable(attach: Attach, mended: list[ClipperConnection]) -> Iterator[ClipperConnection]:
    """A cluster to break, with the model `who`, which answers its replica's number, behind `app`.

    The next test has it too, or a new one where it could not be mended.
    """
    new = not mended
    connection = attach(f"b{next(_numbers)}") if new else mended.pop()
    whole = False
    try:
        if new:
            connection.start_clipper(cache_size=0, fresh=True)
        deploy_who(connection, "app", "who")
        yield connection
        _empty(connection)
        whole = True
    finally:
        if whole:
            mended.append(connection)
        else:
            connection.stop_all(graceful=False, purge=True)


_numbers = itertools.count()
