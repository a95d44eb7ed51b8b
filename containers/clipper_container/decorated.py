"""Makes anew what decorators of Python's own have made, from what they were given: for `pickle.loads`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any


def cached(func: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """functools.lru_cache and functools.cache; what is in the cache does not travel."""
    return functools.lru_cache(maxsize, typed)(func)


def cached_property(func: Callable[[Any], Any], name: str | None) -> Any:
    found = functools.cached_property(func)
    found.attrname = name
    return found


def single_dispatch(func: Callable[..., Any], registered: Sequence[tuple[type, Callable[..., Any]]]) -> Any:
    found = functools.singledispatch(func)
    for kind, implementation in registered:
        found.register(kind, implementation)
    return found
