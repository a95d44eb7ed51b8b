"""The prediction cache: inputs that come again and again, with it and past it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipperlab.load.http_request import predict

from . import report, wrk
from .bench import Bench, Outcome, at_least, ratio
from .cluster import cluster, counted
from .noop import INPUT, serve
from .wrk import Measured

CACHE_SIZE = 32 << 20
CONNECTIONS = 32
INPUTS = [[i + value for value in INPUT] for i in range(100)]
PAST_IT = {"Cache-Control": "no-cache"}


def run(bench: Bench) -> Outcome:
    with cluster("cache", cache_size=CACHE_SIZE) as conn:
        url = serve(conn)

        def closed_loop(requests: Sequence[bytes], where: str) -> Callable[[], Measured]:
            return lambda: wrk.measure(
                requests, where, connections=CONNECTIONS, seconds=bench.seconds, look=False
            )

        found = bench.take_turns(
            {
                "echo": closed_loop([predict(bench.echo_url, value) for value in INPUTS], bench.echo_url),
                "past the cache": closed_loop([predict(url, value, PAST_IT) for value in INPUTS], url),
                "from the cache": closed_loop([predict(url, value) for value in INPUTS], url),
            }
        )
        hits = counted(conn, "clipper_model_cache_hits_total", "model").total()
        lookups = counted(conn, "clipper_model_cache_lookups_total", "model").total()
    rows = [
        [name, side["rate"], ratio(side["rate"], found["echo"]["rate"])]
        + [report.ms(side["p50_ms"]), report.ms(side["p99_ms"])]
        for name, side in found.items()
    ]
    gain = ratio(found["from the cache"]["rate"], found["past the cache"]["rate"])
    return Outcome(
        f"noop with a cache of {CACHE_SIZE >> 20} MiB, {len(INPUTS)} different inputs over and over",
        [report.table(f"{CONNECTIONS} connections", ["answers", "/s", "of the echo", "p50", "p99"], rows)],
        [at_least("from the cache, in times of past it", gain, 1)],
        {**found, "hits": hits, "lookups": lookups, "gain": gain},
        [f"{report.percent(ratio(hits, lookups))} of {lookups:,} lookups were hits."],
    )
