"""Pipelines for those who think in graphs: each of these makes an `async def answer(query, models)`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .calls import Models

Answer = Callable[[Any, Models], Awaitable[Any]]
Step = str | Answer
"""The name of a model, or such a function."""


def sequence(*steps: Step) -> Answer:
    """Each step gets what the one before it answered; the last one's output is the answer.

    >>> async def halved(query, models):
    ...     return [pixel / 2 for pixel in query]
    >>> answer = deployers.pipeline.sequence(halved, "digits")
    >>> handle = deployers.pipeline.deploy_pipeline(conn, "faint", 1, answer, uses=["digits"])
    """

    async def answer(query: Any, models: Models) -> Any:
        for step in steps:
            query = await _take(step, query, models)
        return query

    return answer


def switch(choose: Callable[[Any], str], steps: Mapping[str, Step]) -> Answer:
    """The step whose name `choose` gives for the query answers it; a name that is none fails the query.

    >>> answer = deployers.pipeline.switch(
    ...     lambda query: "dark" if sum(query) > 300 else "light", {"dark": "digits", "light": "bayes"}
    ... )
    >>> handle = deployers.pipeline.deploy_pipeline(conn, "by-light", 1, answer, uses=["digits", "bayes"])
    """

    async def answer(query: Any, models: Models) -> Any:
        return await _take(steps[choose(query)], query, models)

    return answer


def fan_out(steps: Mapping[str, Step], combine: Callable[[dict[str, Any]], Any] = dict) -> Answer:
    """All steps get the query at once; the answer is what `combine` makes of their outputs by name.

    >>> answer = deployers.pipeline.fan_out({"svm": "digits", "bayes": "bayes"})
    >>> uses = ["digits", "bayes"]
    >>> app = deployers.pipeline.create_endpoint(conn, "both", answer, uses=uses, slo_ms=20_000)
    >>> app.predict(X[0].tolist())["output"]
    {'svm': 0, 'bayes': 0}
    """

    async def answer(query: Any, models: Models) -> Any:
        outputs = await asyncio.gather(*(_take(step, query, models) for step in steps.values()))
        return combine(dict(zip(steps, outputs, strict=True)))

    return answer


async def _take(step: Step, query: Any, models: Models) -> Any:
    return await (models[step](query) if isinstance(step, str) else step(query, models))
