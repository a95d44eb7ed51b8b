"""The tables of views, as HTML: what stands where, and what looks old."""

from __future__ import annotations

import re
from typing import Any, cast

from clipperlab.management import Overview
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


def seen(*versions: dict[str, Any], trouble: str = "") -> Seen:
    frontends = [{"id": "0", "state": "serving"}]
    cluster = {"cluster_name": "c", "query": "q", "management": "m", "frontends": frontends, "warnings": []}
    nothing: dict[str, list[Any]] = {"applications": [], "replicas": [], "protocols": list(PROTOCOLS)}
    overview = {"cluster": cluster, "models": list(versions), **nothing}
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
