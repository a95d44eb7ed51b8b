"""What the query frontends know of queries and batches: asked at their private addresses, and merged."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.errors import NotFound

from ..snapshot import MAX_FRONTENDS, Report
from .frontends import Frontends

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
ANSWER_S = 2.0


class Observations:
    """Asks the live query frontends."""

    def __init__(self, frontends: Frontends) -> None:
        self._frontends = frontends
        self._client = httpx2.AsyncClient(timeout=ANSWER_S, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def metrics(self) -> str:
        """The metrics of all, in Prometheus's format: each series says whose it is."""
        texts = await asyncio.gather(*(self._get(r, "/metrics") for r in self._frontends.live()))
        families: defaultdict[str, list[str]] = defaultdict(list)
        heads: dict[str, list[str]] = {}
        for text in texts:
            if text is None:
                continue
            for block in re.split(r"(?m)^(?=# HELP )", text.text):
                lines = block.rstrip("\n").split("\n")
                if len(lines) > 1:
                    name = lines[0].split(" ", 3)[2]
                    heads.setdefault(name, lines[:2])
                    families[name] += lines[2:]
        return "".join("\n".join([*head, *families[name]]) + "\n" for name, head in heads.items())

    async def why(self, query_id: int) -> dict[str, Any]:
        """The trace of a query. Raises NotFound."""
        frontend = str(query_id % MAX_FRONTENDS)
        for report in self._frontends.live():
            if report.frontend == frontend:
                response = await self._get(report, f"/private/queries/{query_id}")
                if response is not None:
                    found: dict[str, Any] = response.json()
                    return found
        raise NotFound(
            f"There is no trace of query {query_id}. Query frontends remember their last 16,384 queries, "
            "until they are restarted."
        )

    async def batching(self, model: str, version: str) -> list[dict[str, Any]]:
        """How each frontend forms the version's batches."""
        path = f"/private/batching/{model}/{version}"
        responses = await asyncio.gather(*(self._get(r, path) for r in self._frontends.live()))
        return [response.json() for response in responses if response is not None]

    async def _get(self, report: Report, path: str) -> httpx2.Response | None:
        """None where the frontend does not answer, or does not know."""
        if not report.private:
            return None
        try:
            response = await self._client.get(f"http://{report.private}{path}")
        except httpx2.HTTPError:
            return None
        return response if response.status_code == 200 else None


def clipper_names(text: str) -> dict[str, Any]:
    """Metrics in Prometheus's format, summed over frontends, under the names that Clipper gives them.

    Latencies in milliseconds: mean, and percentiles as the upper bounds of the buckets in which they lie.
    """
    counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
    buckets: defaultdict[tuple[str, ...], defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
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
