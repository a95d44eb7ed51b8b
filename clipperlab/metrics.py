"""A model's own metrics, for functions that are deployed: see `clipper_container.metrics`."""

from clipper_container.metrics import add_metric, report_metric

__all__ = ["add_metric", "report_metric"]
