"""Tries a function before it is deployed, as Clipper's `test_predict_function` does."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clipper_container import inputs as types
from clipper_container.errors import ArtifactError, BadRequest
from clipper_container.loaders import given_whole

from ..rows import one
from .packaging import pickle_function

BAD_KEY = "Invalid input type or JSON key"
BAD_TYPE = "Invalid input type"
BAD_FUNCTION = "Function does not properly serialize and reload"


def try_function(query: dict[str, Any], func: Callable[[Any], Any], input_type: str) -> Any:
    """What `func` returns for {"input": X} or {"input_batch": [X, ...]}, after a trip through pickle.

    The answer to what cannot be tried is a sentence, and no exception: one of Clipper's three.
    """
    try:
        kind = types.canonical(input_type)
    except BadRequest:
        return BAD_TYPE
    if not isinstance(query, dict) or len(query.keys() & {"input", "input_batch"}) != 1:
        return BAD_KEY
    batch = query["input_batch"] if "input_batch" in query else [query["input"]]
    if not isinstance(batch, list):
        return BAD_KEY
    try:
        for each in batch:
            types.example_tensor(kind, one(kind, each))
    except BadRequest:
        return BAD_TYPE
    try:
        reloaded = pickle.loads(pickle_function(func, ("inputs",)))
    except (ArtifactError, BadRequest, pickle.PickleError, AttributeError, ImportError):
        return BAD_FUNCTION
    outputs = given_whole(reloaded, kind, None)(batch)
    return _awaited(outputs) if inspect.isawaitable(outputs) else outputs


def _awaited(outputs: Awaitable[Any]) -> Any:
    """Of a function that waits: on a loop in a thread, for a notebook's own thread has one that runs."""

    async def outcome() -> Any:
        return await outputs

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, outcome()).result()
