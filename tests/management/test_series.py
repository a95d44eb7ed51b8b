from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import msgspec
import pytest

from clipper_server.changes import Changes
from clipper_server.management.events import Events
from clipper_server.management.frontends import Frontends
from clipper_server.management.series import KEPT, RegretPoint, Series, percentile
from clipper_server.management.state import State
from clipper_server.snapshot import (
    LATENCIES_S,
    ApplicationReport,
    ArmReport,
    ReplicaReport,
    Report,
    VersionReport,
)
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.management import ApplicationPoint, Point
from tests.support.clusters import ask, constant
from tests.support.waiting import wait_for


class World:
    """Query frontends that report what the test says, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        changes = Changes()
        self.state = State(folder / "state.db")
        self.frontends = Frontends(changes, Events(self.state, changes), lambda: self.now)
        self.regrets: dict[str, tuple[float, float]] = {}
        self.series = Series(
            self.frontends, changes, lambda: self.regrets, lambda: self.now, lambda: 1e9 + self.now
        )

    def report(
        self, *applications: ApplicationReport, frontend: str = "0", began: float = 1, **of_model: float
    ) -> None:
        replicas = [ReplicaReport("m", "1", "0", True, 0)] if of_model else []
        fields = {"asked": 0, "waiting": 0, "capacity": None, **of_model}
        versions = [VersionReport("m", "1", **fields)] if of_model else []  # type: ignore[arg-type]
        self.frontends.on_report(
            Report(frontend, 1, True, 1, "", replicas, list(applications), versions, began)
        )

    def second(self) -> None:
        self.now += 1.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.state.close()


def app(answered: int, slow: int = 0, **defaults: int) -> ApplicationReport:
    """So many answers within a millisecond, and `slow` ones of three to four seconds."""
    counts = [0] * (len(LATENCIES_S) + 1)
    counts[LATENCIES_S.index(0.001)] = answered - slow
    counts[LATENCIES_S.index(5.0)] = slow
    return ApplicationReport("app", answered, defaults, 0, counts)


def test_a_point_tells_what_came_since_the_one_before(world: World) -> None:
    world.report(app(1000))
    world.series.add()
    assert world.series.after(None)[0].applications == {}
    world.second()
    world.report(app(1100, 10, deadline=10))
    world.series.add()
    point = world.series.after(None)[-1].applications["app"]
    assert point.answers == {"model": 90, "deadline": 10}
    assert point.p50_ms is not None
    assert point.p50_ms < 1
    assert point.p99_ms is not None
    assert 2000 < point.p99_ms < 5000
    world.second()
    world.report(app(1100, 10, deadline=10))
    world.series.add()
    idle = world.series.after(None)[-1].applications["app"]
    assert (idle.answers, idle.p50_ms) == ({}, None)


def arm(name: str, chosen: int, errors: int = 0, late: int = 0) -> ArmReport:
    """All of its outputs within a millisecond."""
    counts = [0] * (len(LATENCIES_S) + 1)
    counts[LATENCIES_S.index(0.001)] = used = chosen - errors - late
    return ArmReport(name, chosen, used, errors, late, counts)


def test_a_point_tells_what_each_arm_did_over_all_frontends(world: World) -> None:
    for chosen, errors in ((100, 0), (130, 10)):
        for frontend in "01":
            arms = [arm("a", chosen, errors), arm("b", chosen, 0, errors)]
            world.report(msgspec.structs.replace(app(chosen), arms=arms), frontend=frontend)
        world.series.add()
        world.second()
    found = world.series.after(None)[-1].applications["app"].arms
    assert (found["a"].chosen, found["a"].used, found["a"].errors, found["a"].late) == (60, 40, 20, 0)
    assert (found["b"].errors, found["b"].late) == (0, 20)
    assert found["a"].p95_ms is not None
    assert found["a"].p95_ms < 1


def test_an_arm_that_comes_back_counts_anew(world: World) -> None:
    for arms in ([arm("a", 100)], [arm("b", 7)], [arm("a", 5), arm("b", 7)]):
        world.report(msgspec.structs.replace(app(200), arms=arms))
        world.series.add()
        world.second()
    found = world.series.after(None)[-1].applications["app"].arms
    assert {name: did.chosen for name, did in found.items()} == {"a": 5, "b": 0}


def test_a_point_tells_how_much_a_vote_agrees(world: World) -> None:
    for answered, confidence in ((100, []), (120, [2, 3, 5, 10])):
        world.report(msgspec.structs.replace(app(answered), confidence=confidence))
        world.series.add()
        world.second()
    points = [point.applications.get("app") for point in world.series.after(None)]
    assert [point.confidence for point in points if point] == [[2, 3, 5, 10]]


def test_a_point_tells_what_was_lost_so_far(world: World) -> None:
    for answered, lost in ((100, None), (120, 2.5), (140, 4.125)):
        world.report(app(answered))
        if lost is not None:
            world.regrets = {"app": (lost, 2 * lost), "gone": (1.0, 1.0)}
        world.series.add()
        world.second()
    first, second, third = (point.applications for point in world.series.after(None))
    assert first == {}  # nothing was counted before
    assert second["app"].regret == RegretPoint(2.5, 5)
    assert third["app"].regret == RegretPoint(4.12, 8.25)
    assert [*third] == ["app"]


def test_rates_are_by_the_time_between_reports_and_not_between_looks(world: World) -> None:
    world.report(app(0))
    world.series.add()
    world.now += 1.5
    world.report(app(150))
    world.now += 0.5
    world.series.add()
    assert world.series.after(None)[-1].applications["app"].answers == {"model": 100}


def test_several_frontends_add_up(world: World) -> None:
    for _ in range(2):
        for i in "01":
            world.report(app(int(10 * world.now)), frontend=i)
        world.series.add()
        world.second()
    assert world.series.after(None)[-1].applications["app"].answers == {"model": 20}


def test_a_frontend_that_was_restarted_counts_anew(world: World) -> None:
    world.report(app(1000))
    world.series.add()
    world.second()
    world.report(app(30), began=2)
    world.series.add()
    assert world.series.after(None)[-1].applications["app"].answers == {"model": 30}


def test_an_application_that_was_made_again_counts_anew(world: World) -> None:
    world.report(app(1000))
    world.series.add()
    world.second()
    world.report(app(30))
    world.series.add()
    assert world.series.after(None)[-1].applications["app"].answers == {"model": 30}


def test_a_version_that_was_deployed_again_counts_anew(world: World) -> None:
    world.report(asked=100)
    world.series.add()
    world.second()
    world.report(asked=30)
    world.series.add()
    (point,) = world.series.after(world.series.after(None)[0].id)
    assert point.versions["m:1"].asked == 30


def test_versions_tell_their_batches_and_how_busy_their_replicas_are(world: World) -> None:
    world.report(asked=0)
    world.series.add()
    world.second()
    world.report(asked=120, waiting=3, capacity=200.0, batches=10, sent=100, compute_s=0.5)
    world.series.add()
    point = world.series.after(None)[-1].versions["m:1"]
    assert (point.asked, point.waiting, point.capacity, point.replicas) == (120, 3, 200, 1)
    assert (point.batch_size, point.compute_ms, point.utilisation) == (10, 50, 0.5)


def test_points_are_bounded_and_their_ids_grow(world: World) -> None:
    for _ in range(KEPT + 10):
        world.series.add()  # the clock of the wall stands still
    points = world.series.after(None)
    assert len(points) == KEPT
    assert all(a.id < b.id for a, b in pairwise(points))
    assert world.series.after(points[-2].id) == [points[-1]]


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_percentiles_lie_in_the_bucket_of_the_value(percent: int) -> None:
    counts = [0] * (len(LATENCIES_S) + 1)
    counts[5] = 100
    found = percentile(counts, percent)
    assert found is not None
    assert 1000 * LATENCIES_S[4] < found <= 1000 * LATENCIES_S[5]
    assert percentile([0] * len(counts), percent) is None
    assert percentile([*counts[:-1], 10**6], percent) == 1000 * LATENCIES_S[-1]


@pytest.mark.slow
def test_a_real_cluster_tells_it(conn: ClipperConnection) -> None:
    conn.register_application("counted", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "counted", 1, "doubles", constant(1))
    conn.link_model_to_app("counted", "counted")
    first = conn._management.overview(None, None, wait_s=0)
    assert first["events"][-1]["kind"] == "link"
    event, point = first["events"][-1]["id"], max([0, *(point["id"] for point in first["points"])])
    conn.set_num_replicas("counted", 2)
    points: list[Point] = []
    kinds: list[str] = []

    def answered() -> float:
        """While it is asked: rates are of what grows from one report to the next."""
        nonlocal event, point
        for _ in range(5):
            assert not ask(conn, "counted", {"input": [1.0]}).json()["default"]
        found = conn._management.overview(event, point, wait_s=5)
        points.extend(found["points"])
        kinds.extend(event["kind"] for event in found["events"])
        event = max([event, *(event["id"] for event in found["events"])])
        point = max([point, *(point["id"] for point in found["points"])])
        return sum(mine(p)["answers"].get("model", 0.0) for p in points)

    # Rates do not tell how many: they are by the frontends' reports, which come as the machine lets them.
    wait_for("answers in the points", lambda: answered() > 0 and "scale" in kinds)
    for each in points:
        p50, p99 = mine(each)["p50_ms"], mine(each)["p99_ms"]
        assert (p50 is None) == (p99 is None) == (not mine(each)["answers"])
        assert p50 is None or p99 is None or 0 < p50 <= p99
    wait_for(
        "two replicas in a point", lambda: answered() and points[-1]["versions"]["counted:1"]["replicas"] == 2
    )


def mine(point: Point) -> ApplicationPoint:
    times = {"p50_ms": None, "p95_ms": None, "p99_ms": None}
    nothing = cast(ApplicationPoint, {"answers": {}, **times, "arms": {}, "confidence": []})
    return point["applications"].get("counted", nothing)
