"""A model's own metrics, for functions that are deployed: see `clipper_container.metrics`.

In a container, on Docker and Kubernetes, there is no `clipperlab`: functions for there import them from that.
"""

from clipper_container.metrics import add_metric, report_metric

__all__ = ["add_metric", "report_metric"]
