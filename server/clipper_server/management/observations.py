"""What the query frontends know of queries and batches: asked at their private addresses, and merged with
what management knows.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import httpx2

from clipper_container.errors import ClusterError, NotFound

from ..snapshot import MAX_FRONTENDS, Report
from ..turns import Turn
from .frontends import Frontends
from .running import Running

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
ASKED = "clipper_frontend_asked"
ANSWER_S = 2.0
_NEEDED = (  # by Clipper's names
    *(b"clipper_app_predictions_total", b"clipper_app_default_predictions_total"),
    *(b"clipper_app_prediction_latency_seconds", b"clipper_model_predictions_total"),
    *(b"clipper_model_cache_lookups_total", b"clipper_model_cache_hits_total", b"clipper_model_batch_size_"),
    *(b"clipper_model_prediction_latency_seconds", b"clipper_replica_predictions_total"),
    *(b"clipper_replica_prediction_latency_seconds", ASKED.encode()),
)
_HEAD = b"# HELP "
_SERIES = re.compile(rb"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(rb'(\w+)="((?:[^"\\]|\\.)*)"')

log = logging.getLogger(__name__)


class Observations:
    """Asks the live query frontends, at addresses that want the cluster's token.

    `own` gives the families of metrics that management itself has, by name, each with its head.
    """

    def __init__(
        self,
        frontends: Frontends,
        running: Running,
        token: str,
        own: Callable[[], Awaitable[dict[str, str]]],
    ) -> None:
        self._own = own
        self._frontends = frontends
        self._running = running
        self._one_at_a_time = asyncio.Lock()
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx2.AsyncClient(timeout=ANSWER_S, trust_env=False, verify=False, headers=headers)

    async def close(self) -> None:
        await self._client.aclose()

    async def metrics(self) -> list[memoryview]:
        """The metrics of all, in Prometheus's format, as parts of whole lines: each series says whose it is.

        `clipper_frontend_asked` is 0 for a query frontend that runs, and could not be asked.
        """
        reports = self._frontends.live()
        texts = await asyncio.gather(*map(self._metrics, reports))
        asked = dict.fromkeys((status.labels["frontend"] for status in self._running.frontends()), False)
        families: dict[bytes, list[memoryview]] = {}
        turn = Turn()
        for report, text in zip(reports, texts, strict=True):
            asked[report.frontend] = text is not None
            for name, head, series in _families(text or b""):
                families.setdefault(name, [head]).append(series)
                await turn.pause()
        if asked:
            lines = [f"# HELP {ASKED} Whether this tells of it", f"# TYPE {ASKED} gauge"]
            lines += [f'{ASKED}{{frontend="{who}"}} {was:.1f}' for who, was in sorted(asked.items())]
            families[ASKED.encode()] = [memoryview("\n".join([*lines, ""]).encode())]
        for own, written in (await self._own()).items():
            families[own.encode()] = [memoryview(written.encode())]
        return [part for parts in families.values() for part in parts]

    async def _metrics(self, report: Report) -> bytes | None:
        """Those of one; None where it could not be asked."""
        if not report.private:
            return None
        try:
            async with self._client.stream("GET", f"http://{report.private}/metrics") as response:
                parts = [part async for part in response.aiter_bytes()]
        except httpx2.HTTPError as error:
            log.warning("query frontend %s could not be asked: %r", report.frontend, error)
            return None
        async with self._one_at_a_time:  # it may be megabytes
            await asyncio.sleep(0)
            return b"".join(parts) if response.status_code == 200 else None

    async def why(self, query_id: int) -> dict[str, Any]:
        """The trace of a query. Raises NotFound, or ClusterError where its frontend cannot be asked."""
        frontend = str(query_id % MAX_FRONTENDS)
        report = next((r for r in self._frontends.live() if r.frontend == frontend), None)
        response = None if report is None else await self._get(report, f"/private/queries/{query_id}")
        if response is not None and response.status_code == 200:
            found: dict[str, Any] = response.json()
            return found
        runs = frontend in {status.labels["frontend"] for status in self._running.frontends()}
        if response is None and (runs or report is not None):
            raise ClusterError(
                f"Query frontend {frontend}, which had query {query_id}, could not be asked about it. Try "
                f"again in a few seconds; its log is query-{frontend}."
            )
        raise NotFound(
            f"There is no trace of query {query_id}. Query frontends remember their last 16,384 queries, "
            "until they are restarted."
        )

    async def last(self) -> dict[str, Any]:
        """The trace of the query that ended last, of all that can be asked. Raises NotFound."""
        reports = self._frontends.live()
        responses = await asyncio.gather(*(self._get(report, "/private/queries/last") for report in reports))
        found = [r.json() for r in responses if r is not None and r.status_code == 200]
        if not found:
            raise NotFound("No query has come yet: ask an application, and then ask why.")
        trace: dict[str, Any] = min(found, key=lambda trace: trace["ago_ms"])
        return trace

    async def batching(self, model: str, version: str) -> list[dict[str, Any]]:
        """How each frontend forms the version's batches."""
        path = f"/private/batching/{model}/{version}"
        responses = await asyncio.gather(*(self._get(r, path) for r in self._frontends.live()))
        return [found.json() for found in responses if found is not None and found.status_code == 200]

    async def _get(self, report: Report, path: str) -> httpx2.Response | None:
        """None where the frontend could not be asked."""
        if not report.private:
            return None
        try:
            return await self._client.get(f"http://{report.private}{path}")
        except httpx2.HTTPError as error:
            log.warning("query frontend %s could not be asked: %r", report.frontend, error)
            return None


def _families(text: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """The name, the head of two lines and the series of each family in it; nothing is copied."""
    view = memoryview(text)
    begin = text.find(_HEAD)
    while begin >= 0:
        after = text.find(b"\n" + _HEAD, begin) + 1
        end = after or len(text)
        series = text.find(b"\n", text.find(b"\n", begin, end) + 1, end) + 1
        if series:
            name = bytes(view[begin + len(_HEAD) : series]).partition(b" ")[0]
            yield name, view[begin:series], view[series:end]
        begin = after or -1


async def clipper_names(parts: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Metrics in Prometheus's format, summed over frontends, under the names that Clipper gives them.

    Latencies in milliseconds: mean, and percentiles as the upper bounds of the buckets in which they lie.
    `internal:frontends_not_asked` is there where they lack some query frontends, and names those.
    """
    counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
    buckets: defaultdict[tuple[str, ...], defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    lacking: list[str] = []
    turn = Turn()
    for line in (line for part in parts for line in io.BytesIO(part)):
        await turn.pause()
        found_series = _SERIES.match(line) if line.startswith(_NEEDED) else None
        if found_series is None:
            continue
        name, value = found_series[1].decode(), float(found_series[3])
        labels = {key.decode(): _unescaped(said) for key, said in _LABEL.findall(found_series[2] or b"")}
        whose = tuple(labels[k] for k in ("application", "model", "version", "replica") if k in labels)
        if "le" in labels:
            buckets[name.removesuffix("_bucket"), *whose][float(labels["le"])] += value
        else:
            counts[name, *whose] += value
        if name == ASKED and not value:
            lacking.append(labels["frontend"])
    found: dict[str, Any] = {}
    for key in list(counts):
        await turn.pause()
        name, whose = key[0], key[1:]
        if name == "clipper_app_predictions_total":
            prefix = f"app:{whose[0]}:"
            defaults = counts["clipper_app_default_predictions_total", *whose]
            found[prefix + "num_predictions"] = int(counts[key])
            found[prefix + "default_prediction_ratio"] = _ratio(defaults, counts[key])
            latency = "clipper_app_prediction_latency_seconds"
            found[prefix + "prediction_latency"] = _latency(counts, buckets, (latency, *whose))
        elif name == "clipper_model_predictions_total":
            prefix = f"model:{whose[0]}:{whose[1]}:"
            looked = counts["clipper_model_cache_lookups_total", *whose]
            hits = counts["clipper_model_cache_hits_total", *whose]
            batches = counts["clipper_model_batch_size_count", *whose]
            found[prefix + "num_predictions"] = int(counts[key])
            found[prefix + "cache_hit_ratio"] = _ratio(hits, looked)
            found[prefix + "batch_size"] = _ratio(counts["clipper_model_batch_size_sum", *whose], batches)
            latency = "clipper_model_prediction_latency_seconds"
            found[prefix + "prediction_latency"] = _latency(counts, buckets, (latency, *whose))
        elif name == "clipper_replica_predictions_total":
            latency = "clipper_replica_prediction_latency_seconds"
            name = f"container:{':'.join(whose)}:prediction_latency"
            found[name] = _latency(counts, buckets, (latency, *whose))
    total = {
        kind: sum(value for key, value in counts.items() if key[0] == f"clipper_model_{kind}")
        for kind in ("predictions_total", "cache_lookups_total", "cache_hits_total")
    }
    found["internal:aggregate_num_predictions"] = int(total["predictions_total"])
    found["internal:prediction_cache_lookups"] = int(total["cache_lookups_total"])
    found["internal:prediction_cache_hit_ratio"] = _ratio(
        total["cache_hits_total"], total["cache_lookups_total"]
    )
    if lacking:
        found["internal:frontends_not_asked"] = lacking
    return found


def _unescaped(value: bytes) -> str:
    text = value.decode()
    return (
        re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _latency(
    counts: dict[tuple[str, ...], float],
    buckets: defaultdict[tuple[str, ...], defaultdict[float, float]],
    key: tuple[str, ...],
) -> dict[str, float | None]:
    count = counts.get((f"{key[0]}_count", *key[1:]), 0.0)
    found: dict[str, float | None] = {"mean_ms": None, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    if count:
        found["mean_ms"] = 1000 * counts[f"{key[0]}_sum", *key[1:]] / count
        for percent in (50, 95, 99):
            wanted = count * percent / 100
            bound = next((b for b, below in sorted(buckets[key].items()) if below >= wanted), float("inf"))
            found[f"p{percent}_ms"] = None if bound == float("inf") else 1000 * bound
    return found
