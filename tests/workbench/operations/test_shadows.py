"""Shadows end to end, on processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import httpx2
import pytest

from clipper_container.differences import differences
from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, kill, pid_of
from tests.support.waiting import wait_for


def doubled(inputs: list[Any]) -> list[Any]:
    return [{"twice": 2 * numbers[0], "large": False} for numbers in inputs]


def rounded(inputs: list[Any]) -> list[Any]:
    return [{"twice": 2 * numbers[0] + 1e-9, "large": False} for numbers in inputs]


def rewritten(inputs: list[Any]) -> list[Any]:
    return [{"twice": 2 * numbers[0], "large": numbers[0] > 7} for numbers in inputs]


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """m has version 1, which is current, 2, which says something else of numbers above 7, and 3, which
    says nearly the same.
    """
    conn = attach("shadows")
    conn.start_clipper(fresh=True)
    deploy_python_closure(conn, "m", 1, "doubles", doubled)
    deploy_python_closure(conn, "m", 2, "doubles", rewritten, make_current=False)
    deploy_python_closure(conn, "m", 3, "doubles", rounded, make_current=False)
    conn.register_application("app", "doubles", {"twice": -1}, 10_000_000)
    conn.link_model_to_app("app", "m")
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture(autouse=True)
def _as_it_was(conn: ClipperConnection) -> Iterator[None]:
    yield
    with suppress(NotFound):
        conn.shadow("m").stop()
    conn.set_policy("app", P.First())
    conn.set_model_version("m", 1)


def ask(conn: ClipperConnection, *numbers: int) -> None:
    """Of the frontend alone: management may be away."""
    for number in numbers:
        response = httpx2.post(
            conn._url("app"), json={"input": [float(number)]}, trust_env=False, verify=False, timeout=60
        )
        assert response.json()["output"]["large"] is False


def enough(conn: ClipperConnection, wanted: int) -> bool:
    return compared(conn) >= wanted


def compared(conn: ClipperConnection) -> int:
    """A frontend that is busy with what else this machine does leaves some out, and says so."""
    seen = conn.shadow("m").now["seen"]
    return seen["compared"] + sum(seen["shed"].values())


def test_numbers_that_differ_by_the_tolerance_at_most_agree(conn: ClipperConnection) -> None:
    shadow = conn.start_shadow("m", 3, fraction=1, tolerance=1e-6)
    for wanted in range(1, 4):
        while shadow.now["seen"]["compared"] < wanted:
            before = compared(conn)
            ask(conn, wanted)
            wait_for("one more", partial(enough, conn, before + 1))
    agreed = shadow.agreement()
    assert agreed is not None
    assert agreed[0] == 1
    assert shadow.pairs(differing=True) == []
    assert set(shadow.diff()["differs"]) == {""}
    assert set(shadow.diff(tolerance=0)["differs"]) == {"twice"}
    assert "numbers within 1e-06" in repr(shadow)
    with pytest.raises(BadRequest, match="by how much numbers may differ"):
        conn.start_shadow("m", 2, tolerance=-1)


def test_it_finds_what_is_different_before_any_user_sees_it(conn: ClipperConnection) -> None:
    shadow = conn.start_shadow("m", 2, fraction=1, message="rewritten")
    assert shadow.state == "running"
    # Of which some may be left out.
    while len(shadow.pairs(differing=True)) < 2 or shadow.now["seen"]["same"] < 8:
        wanted = compared(conn) + 10
        ask(conn, *range(10))
        wait_for("ten more to be compared", partial(enough, conn, wanted))
    agreed = shadow.agreement()
    assert agreed is not None
    assert agreed[1] < agreed[0] < agreed[2]
    assert agreed[0] == pytest.approx(0.8, abs=0.2)
    found = shadow.diff()
    assert set(found["differs"]) == {"large", ""}
    assert list(found["differs"]) == sorted(found["differs"], reverse=True), "disagreements first"
    first = found.iloc[0]
    assert first["input"][0] > 7
    assert (first["before"]["large"], first["after"]["large"]) == (False, True)
    assert first["after_ms"] > 0
    assert len(shadow.diff(3)) == 3
    assert "agreement: " in repr(shadow)
    assert "<svg" in shadow._repr_html_()
    assert any("m:2 is asked beside m:1, for 100% of the inputs" in event["text"] for event in conn.events())


def test_promoted_it_is_current_and_no_shadow_any_more(conn: ClipperConnection) -> None:
    shadow = conn.model("m").start_shadow(2)
    shadow.promote("it is right about large numbers")
    assert shadow.state == "promoted"
    assert conn.get_current_model_version("m") == "2"
    assert conn.get_model_history("m")[-1]["message"] == "it is right about large numbers"
    with pytest.raises(NotFound, match="has no shadow that runs"):
        shadow.stop()


def test_one_that_has_ended_moves_nothing(conn: ClipperConnection) -> None:
    shadow = conn.start_shadow("m", 2)
    shadow.stop()
    with pytest.raises(NotFound, match=r"no shadow that runs\..* set_model_version makes a version current"):
        shadow.promote()
    assert conn.get_current_model_version("m") == "1"
    shadow = conn.start_shadow("m", 2)
    shadow.promote()
    conn.set_model_version("m", 1)
    with pytest.raises(NotFound, match="no shadow that runs"):
        shadow.promote()
    assert conn.get_current_model_version("m") == "1"


def test_a_version_that_becomes_current_in_any_way_is_a_shadow_no_more(conn: ClipperConnection) -> None:
    shadow = conn.start_shadow("m", 2)
    conn.set_model_version("m", 2)
    assert shadow.state == "promoted"


def test_what_makes_no_shadow_is_refused_with_a_sentence(conn: ClipperConnection) -> None:
    with pytest.raises(BadRequest, match="m:1 is current"):
        conn.start_shadow("m", 1)
    with pytest.raises(NotFound, match="no version '9'"):
        conn.start_shadow("m", 9)
    for fraction in (0, -1, 1.5):
        with pytest.raises(BadRequest, match="above 0 and at most 1"):
            conn.start_shadow("m", 2, fraction=fraction)
    conn.start_shadow("m", 2)
    with pytest.raises(
        AlreadyExists,
        match=r"^A model has one shadow at a time, .* stop it first",
    ):
        conn.start_shadow("m", 2)
    with pytest.raises(BadRequest, match="m:2 cannot be removed, while it is a shadow"):
        conn.stop_versioned_models({"m": [2]})
    with pytest.raises(BadRequest, match="m:2 cannot answer, while it is a shadow"):
        conn.start_rollout("m", 2)
    with pytest.raises(BadRequest, match="m:2 cannot answer, while it is a shadow"):
        conn.set_policy("app", P.Split({"m": 0.5, "m:2": 0.5}))
    conn.shadow("m").stop()
    conn.set_policy("app", P.Split({"m": 0.5, "m:2": 0.5}))
    with pytest.raises(BadRequest, match="m:2 answers already: it is an arm of the policy of app"):
        conn.start_shadow("m", 2)
    conn.set_policy("app", P.First())
    rollout = conn.start_rollout("m", 2, steps=[0.5])
    try:
        with pytest.raises(BadRequest, match="m:2 answers already: the rollout of m:2 runs"):
            conn.start_shadow("m", 2)
    finally:
        rollout.abort()


@pytest.mark.slow
def test_pairs_outlive_management_and_a_frontend_that_are_killed(conn: ClipperConnection) -> None:
    conn.start_shadow("m", 2, fraction=1)
    kill(pid_of(conn, "management"))
    ask(conn, *range(5))
    conn.connect()
    wait_for("what was asked meanwhile to be compared", lambda: compared(conn) == 5)
    kill(pid_of(conn, "query-0"))

    def compares_again() -> bool:
        with suppress(httpx2.HTTPError):
            ask(conn, 1)
        return compared(conn) > 8

    wait_for("another frontend to compare", compares_again)
    assert conn.shadow("m").state == "running"


def test_places_that_differ_are_named() -> None:
    same = {"label": "cat", "scores": [0.25, 0.75], "extra": None}
    other = {"label": "dog", "scores": [0.25, 0.7501]}
    assert differences(same, same) == []
    assert differences(same, other) == ["label", "scores.1", "extra"]
    assert differences(same, other, tolerance=0.001) == ["label", "extra"]
    assert differences(1, 1.0) == []
    assert differences(1, "1") == [""]
    assert differences(True, 1) == [""]
    assert differences(float("nan"), float("nan")) == []
    assert differences([1, 2], [1, 2, 3]) == [""]
    assert differences({"a": [1]}, {"a": [1, 2]}) == ["a"]
