"""Models that wait: whose function is `async def`."""

from __future__ import annotations

import inspect
from typing import Any


def is_async(predict: Any) -> bool:
    """Whether a call of it returns something to await."""
    if getattr(predict, "is_async", False) or inspect.iscoroutinefunction(predict):
        return True
    return callable(predict) and inspect.iscoroutinefunction(type(predict).__call__)


def ends_in_time(predict: Any) -> bool:
    """Whether it waits for others, and is of no more use when the time that is left for its batch is over."""
    return bool(getattr(predict, "ends_in_time", False))
