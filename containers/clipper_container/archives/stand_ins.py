"""The names of TorchServe's own that handlers import, as our modules, where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec

from . import base_handler
from .context import Context
from .metrics import Dimension, MetricTypes


class PredictionException(Exception):
    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(f"{message} : {error_code}")
        self.message = message
        self.error_code = error_code


def install() -> None:
    if importlib.util.find_spec("ts") is not None:
        return
    found: dict[str, dict[str, object]] = {
        "ts": {},
        "ts.context": {"Context": Context},
        "ts.metrics": {},
        "ts.metrics.dimension": {"Dimension": Dimension},
        "ts.metrics.metric_type_enum": {"MetricTypes": MetricTypes},
        "ts.torch_handler": {},
        "ts.torch_handler.base_handler": {"BaseHandler": base_handler.BaseHandler},
        "ts.utils": {},
        "ts.utils.util": {"PredictionException": PredictionException},
    }
    for name, values in found.items():
        module = importlib.util.module_from_spec(ModuleSpec(name, None, is_package=True))
        vars(module).update(values)
        sys.modules[name] = module
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)
