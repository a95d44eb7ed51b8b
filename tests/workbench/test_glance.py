"""The tables of views, as HTML: what stands where, and what looks old."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from clipperlab.display import under_way as display
from clipperlab.display.under_way import under_way
from clipperlab.management import Overview, Rollout, Shadow
from clipperlab.workbench import glance
from clipperlab.workbench.watch import Seen

LONG = "ModuleNotFoundError: No module named 'no_such_package'. " + "It can be named at the deploy. " * 10


def protocol(name: str, state: str = "on", trouble: str = "", **where: str) -> dict[str, Any]:
    ways = {"rest": None, "grpc": None, **where}
    return {"name": name, "state": state, **ways, "documented": {}, "trouble": trouble or None}


PROTOCOLS = (
    protocol("clipper", rest="q"),
    protocol("first", grpc="q:1"),
    protocol("second", "failed", "The port 2 is <taken>.", rest="q:2", grpc="q:3"),
    protocol("off", "off"),
)


def version(model: str, state: str, error: str | None = None) -> dict[str, Any]:
    names = {"model_name": model, "model_version": "1", "is_current_version": True, "batching": "learned"}
    counts = {"ready_replicas": 0, "num_replicas": 1, "autoscaling": None, "cpu_percent": None}
    return {**names, **counts, "state": state, "error": error, "warnings": []}


def rollout(**changes: Any) -> dict[str, Any]:
    sides = {"model": "m", "control": "1", "canary": "2", "share": 0.2}
    return sides | {"steps": [0.05, 0.2, 1.0], "step": 1, "state": "running", "ended_at": None} | changes


def shadow(**changes: Any) -> dict[str, Any]:
    return {"model": "n", "version": "2", "fraction": 0.005, "state": "running", "ended_at": None} | changes


def seen(*versions: dict[str, Any], trouble: str = "", **more: Any) -> Seen:
    frontends = [{"id": "0", "state": "serving"}]
    cluster = {"cluster_name": "c", "query": "q", "management": "m", "frontends": frontends, "warnings": []}
    nothing: dict[str, list[Any]] = {"applications": [], "replicas": [], "rollouts": [], "shadows": []}
    nothing |= {"protocols": list(PROTOCOLS)}
    overview = {"cluster": cluster, "models": list(versions), **nothing, **more}
    return Seen(trouble, cast(Overview, overview), at=1_700_000_000.0)


def test_what_is_wrong_with_a_version_has_a_row_of_its_own_and_is_cut_at_a_word() -> None:
    table = glance.versions(seen(version("good", "ready"), version("bad", "failed", f"Traceback\n{LONG}")))
    good, bad, told = re.findall("<tr.*?>(.*?)</tr>", table, re.DOTALL)[1:]
    assert "good:1" in good
    assert re.findall("<td.*?>(.*?)</td>", bad)[1].endswith("failed")
    assert 'colspan="7"' in told
    (summary,) = re.findall("<summary>(.*)</summary>", told)
    assert re.search(r" \w+\.? \.\.\.$", summary)
    assert "Traceback" in told


def test_what_runs_is_a_line_each_and_what_has_ended_none() -> None:
    of_rollout = "m:2 has 20 % of the queries, m:1 the others: a rollout, at step 2 of 3, running"
    of_shadow = "n:2 is asked too for 0.5 % of the inputs, and answers nobody: a shadow"
    rollouts = cast(list[Rollout], [rollout(), rollout(model="old", state="passed", ended_at=1.0)])
    shadows = cast(list[Shadow], [shadow(), shadow(model="old", state="stopped", ended_at=1.0)])
    assert under_way(rollouts, shadows) == [of_rollout, of_shadow]
    assert under_way(rollouts, shadows, ["n"]) == [of_shadow]


def test_what_is_under_way_stands_below_its_version_however_it_is_worded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for line in "_rollout", "_shadow":
        words = getattr(display, line)
        monkeypatch.setattr(display, line, lambda told, words=words: f"Since today {words(told)}")
    versions = [version(model, "ready") | {"model_version": number} for model in "mn" for number in "12"]
    table = glance.versions(seen(*versions, rollouts=[rollout(state="paused")], shadows=[shadow()]))
    rows = re.findall("<tr.*?>(.*?)</tr>", table, re.DOTALL)[1:]
    assert ["m:1" in rows[0], "m:2" in rows[1], "a rollout, at step 2 of 3, paused" in rows[2]] == [True] * 3
    assert ["n:1" in rows[3], "n:2" in rows[4], "answers nobody: a shadow" in rows[5]] == [True] * 3
    assert len(rows) == 6


def test_what_is_old_is_faint_and_says_from_when() -> None:
    fresh, old = (glance.versions(seen(version("m", "ready"), trouble=trouble)) for trouble in ("", "Gone."))
    assert "opacity" not in fresh
    assert re.search(r"as it was at \d\d:\d\d:\d\d.*opacity:0.5", old)


def test_protocols_that_are_on_are_named_with_where_they_are_and_what_is_wrong() -> None:
    assert "first at q:1 (gRPC)<br>second at q:2 (REST) and q:3 (gRPC), failed" in glance.head(seen())
    rows = re.findall("<tr.*?>(.*?)</tr>", glance.protocols(seen()), re.DOTALL)[1:]
    assert [re.findall("<b>(.*)</b>", row) for row in rows] == [
        ["clipper"],
        ["first"],
        ["second"],
        [],
        ["off"],
    ]
    assert "The port 2 is &lt;taken&gt;." in rows[3]


def test_query_frontends_are_counted() -> None:
    assert "query frontend: 1 serving" in glance.head(seen())
