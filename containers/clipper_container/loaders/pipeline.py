"""Loads a pipeline: `async def answer(query, models)`, one query in, one answer out."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .. import calls
from ..faults import bad_output, call_failed
from .python import load_function


def load(parts: dict[str, bytes], input_type: str) -> Pipeline:
    return Pipeline(load_function(parts["function.pickle"]))


class Pipeline:
    """Answers a batch by a function of one query and of the models that it may call."""

    is_async = True
    ends_in_time = True

    def __init__(self, function: Callable[[Any, calls.Models], Awaitable[Any]]) -> None:
        self._function = function

    async def __call__(self, inputs: Any) -> list[Any]:
        models = calls.current.get()
        if len(inputs) == 1:
            return [await self._answer(inputs[0], models)]
        return list(await asyncio.gather(*(self._answer(query, models) for query in inputs)))

    async def _answer(self, query: Any, models: calls.Models) -> Any:
        try:
            found = await self._function(query, models)
        except Exception as error:
            return call_failed(error)
        if inspect.iscoroutine(found):
            found.close()
            return bad_output("The pipeline returned a call that it did not wait for: write await before it.")
        return found
