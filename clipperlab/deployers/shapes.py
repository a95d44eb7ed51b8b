"""What can be seen of a function or an estimator without calling it: whether it could answer at all."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from clipper_container.errors import BadRequest

MAY_WAIT = ("inputs",), ("query", "models")
"""What functions take that may be `async def`: a model's own function, and a pipeline's."""

_NOT_FITTED = "The {} is not fitted, and would answer nothing. Call its fit() first."


def check_function(func: Any, takes: Sequence[str] | None = None) -> None:
    """Raises BadRequest where `func` can return no list, or cannot be called with what it `takes`."""
    name = getattr(func, "__name__", None) or type(func).__name__
    if not callable(func):
        given = _list_of(takes or ("inputs",))
        raise BadRequest(f"func must be a function of {given}, not {name}.")
    if isinstance(func, type):
        raise BadRequest(
            f"{name} is a class. deployers.custom.deploy_model_class deploys it: an object of it answers."
        )
    called = func if inspect.isroutine(func) else type(func).__call__
    for each in (func, called):
        waits = inspect.iscoroutinefunction(each) and takes not in MAY_WAIT
        if waits or inspect.isasyncgenfunction(each):
            raise BadRequest(
                f"{name} is an async function, and a model answers at once. Write it without async; "
                "asyncio.run() in it calls what is async."
            )
        if inspect.isgeneratorfunction(each):
            raise BadRequest(f"{name} is a generator, for it says yield. Return a list of outputs instead.")
    if takes is not None:
        _check_arguments(name, func, takes)


def _check_arguments(name: str, func: Any, takes: Sequence[str]) -> None:
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):  # written in C: it does not tell
        return
    try:
        signature.bind(*takes)
    except TypeError as error:
        raise BadRequest(
            f"{name}{signature} cannot be called with {_list_of(takes)} alone ({error}). functools.partial "
            "gives it the others."
        ) from None


def _list_of(takes: Sequence[str]) -> str:
    return "a list of inputs" if len(takes) == 1 else f"({', '.join(takes)})"


def fitted_booster(model: Any, attribute: str) -> Any:
    """What an estimator of XGBoost or LightGBM has learned. Raises BadRequest where it was not fitted."""
    try:
        found = getattr(model, attribute)
        return found() if callable(found) and attribute.startswith("get_") else found
    except ValueError:  # scikit-learn's NotFittedError
        raise BadRequest(_NOT_FITTED.format(type(model).__name__)) from None


def check_fitted(model: Any) -> None:
    """Raises BadRequest where one of scikit-learn's own estimators was not fitted."""
    while type(model).__module__.startswith("sklearn.") and getattr(model, "steps", None):
        model = model.steps[-1][1]  # of a pipeline: it answers
    if not type(model).__module__.startswith("sklearn."):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise BadRequest(_NOT_FITTED.format(type(model).__name__)) from None
    except TypeError:  # an estimator that is no estimator by scikit-learn's own measure
        return
