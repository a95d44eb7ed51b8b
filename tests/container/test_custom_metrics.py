from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipper_container.metrics import MOST, Metrics
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import ask
from tests.support.waiting import wait_for


def test_metrics_are_kept_and_told_once() -> None:
    metrics = Metrics()
    assert metrics.news() is None
    metrics.add("seen", "Counter", "Pictures seen")
    metrics.add("seen", "Counter", "Pictures seen")  # a function that adds it each time it is called
    metrics.add("dark", "Histogram", "How dark", [0.5, 0.1])
    metrics.report("seen", 2)
    metrics.report("seen", 3)
    for value in (0.05, 0.3, 0.9):
        metrics.report("dark", value)
    news = metrics.news()
    assert news is not None
    assert [(m.name, m.sum, m.count, m.bounds, m.counts) for m in news] == [
        ("seen", 5.0, 2, [], [0]),
        ("dark", pytest.approx(1.25), 3, [0.1, 0.5], [1, 1, 1]),
    ]
    assert metrics.news() is None


def test_what_is_no_metric_is_refused_with_advice() -> None:
    metrics = Metrics()
    with pytest.raises(BadRequest, match="letters, digits and _"):
        metrics.add("2 many", "Counter", "")
    with pytest.raises(BadRequest, match="Counter, Gauge, Histogram, Summary"):
        metrics.add("a", "Meter", "")
    with pytest.raises(BadRequest, match="Only a Histogram"):
        metrics.add("a", "Gauge", "", [1.0])
    metrics.add("a", "Counter", "")
    with pytest.raises(AlreadyExists, match="a Counter already"):
        metrics.add("a", "Gauge", "")
    with pytest.raises(BadRequest, match="cannot go down"):
        metrics.report("a", -1)
    with pytest.raises(NotFound, match=r"add_metric makes it\. Metrics: a\."):
        metrics.report("b", 1)
    for i in range(MOST - 1):
        metrics.add(f"m{i}", "Gauge", "")
    with pytest.raises(BadRequest, match="100 metrics at most"):
        metrics.add("one_too_many", "Gauge", "")


def test_what_the_wire_could_not_carry_is_made_safe_or_refused() -> None:
    metrics = Metrics()
    metrics.add("a", "Counter", "two\rlines\u2028of \udce9" + "x" * 10_000)
    (told,) = metrics.news() or []
    assert told.description.startswith("two lines of \\udce9xxx")
    assert len(told.description) <= 1000
    with pytest.raises(BadRequest, match="finite"):
        metrics.add("h", "Histogram", "", [1.0, float("nan")])
    with pytest.raises(BadRequest, match="at most"):
        metrics.add("h", "Histogram", "", range(1000))
    metrics.report("a", 1e308)
    for number in (float("nan"), float("inf"), 1e308):
        with pytest.raises(BadRequest, match="finite numbers"):
            metrics.report("a", number)


def measuring(inputs: list[Any]) -> list[Any]:
    from clipperlab.metrics import add_metric, report_metric

    add_metric("inputs_seen", "Counter", "Inputs that the model has seen")
    add_metric("last_sum", "Gauge", "The sum of the last input")
    add_metric("sums", "Histogram", "Sums of inputs", [1, 10])
    add_metric("sums_too", "Summary", "Sums of inputs")
    for x in inputs:
        report_metric("inputs_seen", 1)
        for name in ("last_sum", "sums", "sums_too"):
            report_metric(name, float(sum(x)))
    return [float(sum(x)) for x in inputs]


measuring.__module__ = "__main__"


def custom(conn: ClipperConnection) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(conn.get_metrics())
        for sample in family.samples
        if sample.name.startswith("clipper_custom") and sample.labels["model"] == "measuring"
    }


@pytest.mark.slow
def test_what_a_model_measures_is_on_metrics(conn: ClipperConnection) -> None:
    conn.register_application("measuring", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "measuring", 1, "doubles", measuring, batching="off")
    conn.link_model_to_app("measuring", "measuring")
    for x in ([0.5], [2.0, 3.0], [40.0]):
        assert ask(conn, "measuring", {"input": x}).json()["output"] == sum(x)
    wait_for("the metrics", lambda: custom(conn).get(("clipper_custom_inputs_seen_total", "")) == 3)
    seen = custom(conn)
    assert seen["clipper_custom_last_sum", ""] == 40.0
    assert [seen["clipper_custom_sums_bucket", le] for le in ("1.0", "10.0", "+Inf")] == [1, 2, 3]
    assert seen["clipper_custom_sums_too_sum", ""] == seen["clipper_custom_sums_sum", ""] == 45.5
    conn.stop_models(["measuring"])
    conn.unregister_application("measuring")
