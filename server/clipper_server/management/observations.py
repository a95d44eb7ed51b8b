"""What the query frontends know of queries and batches: asked at their private addresses, and merged."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.errors import ClusterError, NotFound

from ..snapshot import MAX_FRONTENDS, Report
from .frontends import Frontends
from .running import Running

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
ASKED = "clipper_frontend_asked"
ANSWER_S = 2.0

log = logging.getLogger(__name__)


class Observations:
    """Asks the live query frontends, at addresses that want the cluster's token."""

    def __init__(self, frontends: Frontends, running: Running, token: str) -> None:
        self._frontends = frontends
        self._running = running
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx2.AsyncClient(timeout=ANSWER_S, trust_env=False, headers=headers)

    async def close(self) -> None:
        await self._client.aclose()

    async def metrics(self) -> str:
        """The metrics of all, in Prometheus's format: each series says whose it is.

        `clipper_frontend_asked` is 0 for a query frontend that runs, and could not be asked.
        """
        reports = self._frontends.live()
        texts = await asyncio.gather(*(self._get(r, "/metrics") for r in reports))
        asked = dict.fromkeys((status.labels["frontend"] for status in self._running.frontends()), False)
        families: defaultdict[str, list[str]] = defaultdict(list)
        heads: dict[str, list[str]] = {}
        for report, text in zip(reports, texts, strict=True):
            asked[report.frontend] = text is not None and text.status_code == 200
            if text is None or not asked[report.frontend]:
                continue
            for block in re.split(r"(?m)^(?=# HELP )", text.text):
                lines = block.rstrip("\n").split("\n")
                if len(lines) > 1:
                    name = lines[0].split(" ", 3)[2]
                    heads.setdefault(name, lines[:2])
                    families[name] += lines[2:]
        if asked:
            heads[ASKED] = [
                f"# HELP {ASKED} Whether this tells of it",
                f"# TYPE {ASKED} gauge",
            ]
            families[ASKED] = [f'{ASKED}{{frontend="{who}"}} {was:.1f}' for who, was in sorted(asked.items())]
        return "".join("\n".join([*head, *families[name]]) + "\n" for name, head in heads.items())

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


def clipper_names(text: str) -> dict[str, Any]:
    """Metrics in Prometheus's format, summed over frontends, under the names that Clipper gives them.

    Latencies in milliseconds: mean, and percentiles as the upper bounds of the buckets in which they lie.
    `internal:frontends_not_asked` is there where they lack some query frontends, and names those.
    """
    counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
    buckets: defaultdict[tuple[str, ...], defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    lacking: list[str] = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == ASKED and not sample.value:
                lacking.append(labels["frontend"])
            whose = tuple(labels[k] for k in ("application", "model", "version", "replica") if k in labels)
            if "le" in labels:
                buckets[family.name, *whose][float(labels["le"])] += sample.value
            else:
                counts[sample.name, *whose] += sample.value
    found: dict[str, Any] = {}
    for key in list(counts):
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
