"""What a handler counts and measures, as this replica's own metrics.

What handlers call takes the arguments that TorchServe's takes; units, indexes and dimensions are left out.
"""

from __future__ import annotations

import enum
import re
from typing import Any

from .. import metrics
from ..errors import ClipperException
from ..log import say


class MetricTypes(enum.Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Dimension:
    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return f"{self.name}:{self.value}"


class Metric:
    """One that a handler keeps, and reports to again and again."""

    def __init__(self, name: str, kind: Any) -> None:
        """`kind` is ours or that of a TorchServe that is installed, whose values are the same."""
        self.metric_name = name
        self._kind = str(getattr(kind, "value", kind)).capitalize()

    def add_or_update(self, value: float, *_: Any, **__: Any) -> None:
        """What cannot be noted is no reason for having no answer."""
        name = self.metric_name
        ours = re.sub(r"\W", "_", f"mar_{name}", flags=re.ASCII)[:100]
        try:
            metrics.add_metric(ours, self._kind, f"{name}, as the handler says.")
            metrics.report_metric(ours, value)
        except ClipperException as error:
            say(f"The handler's metric {name} is not noted: {error}")

    update = add_or_update


class Metrics:
    """Counters, histograms, and of all else the last value."""

    def get_metric(self, metric_name: str, metric_type: Any = MetricTypes.COUNTER) -> Metric:
        """Also one that nobody has added: a configuration of TorchServe's may have it, and is not here."""
        return Metric(metric_name, metric_type)

    def add_metric_to_cache(
        self,
        metric_name: str,
        unit: str = "",
        dimension_names: Any = (),
        metric_type: Any = MetricTypes.COUNTER,
    ) -> Metric:
        return Metric(metric_name, metric_type)

    def add_metric(
        self,
        name: str,
        value: float,
        unit: Any = None,
        idx: Any = None,
        dimensions: Any = None,
        metric_type: Any = MetricTypes.COUNTER,
    ) -> None:
        Metric(name, metric_type).add_or_update(value)

    def add_counter(self, name: str, value: float = 1, *_: Any, **__: Any) -> None:
        Metric(name, MetricTypes.COUNTER).add_or_update(value)

    def add_time(
        self,
        name: str,
        value: float,
        idx: Any = None,
        unit: Any = None,
        dimensions: Any = None,
        metric_type: Any = MetricTypes.GAUGE,
    ) -> None:
        Metric(name, metric_type).add_or_update(value)

    add_size = add_time

    def add_percent(
        self,
        name: str,
        value: float,
        idx: Any = None,
        dimensions: Any = None,
        metric_type: Any = MetricTypes.GAUGE,
    ) -> None:
        Metric(name, metric_type).add_or_update(value)

    def add_error(self, name: str, value: object = "", *_: Any, **__: Any) -> None:
        say(f"{name}: {value}")
