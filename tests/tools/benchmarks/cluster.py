"""A cluster for one workload, in a home of its own, and what its query frontend counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families

from clipperlab import ClipperConnection, ProcessContainerManager


@contextmanager
def cluster(name: str, *, cache_size: int = 0) -> Iterator[ClipperConnection]:
    """A cluster that ends with the block. Without the cache, or there would be little else to measure."""
    manager = ProcessContainerManager(name, clipper_query_port=0, clipper_management_port=0)
    conn = ClipperConnection(manager)
    conn.start_clipper(cache_size=cache_size)
    try:
        yield conn
    finally:
        conn.stop_all(purge=True)


def predict_url(conn: ClipperConnection, application: str) -> str:
    return f"http://{conn.get_query_addr()}/{application}/predict"


def counted(conn: ClipperConnection, counter: str, by: str, **labels: str) -> Counter[str]:
    """One of the query frontend's counters, summed up by a label, of the series that have these labels."""
    text = httpx2.get(f"http://{conn.get_metric_addr()}/metrics", trust_env=False, verify=False).text
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == counter and labels.items() <= sample.labels.items():
                found[sample.labels.get(by, "")] += int(sample.value)
    return found


def defaults(conn: ClipperConnection, application: str) -> Counter[str]:
    """Default answers so far, by reason."""
    return counted(conn, "clipper_app_default_predictions_total", "reason", application=application)


def cpu_s(conn: ClipperConnection) -> Callable[[], float]:
    """Seconds of a core that the query frontend has used so far."""
    (frontend,) = conn.status()["frontends"]
    process = psutil.Process(frontend["pid"])
    return lambda: sum(process.cpu_times()[:2])
