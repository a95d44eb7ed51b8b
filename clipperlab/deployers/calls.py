"""Functions whose arguments are the fields of a record: typed, and documented where the fields are."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Record = TypeVar("Record")
Result = TypeVar("Result")


def called_with(record: Callable[P, Record]) -> Callable[[Callable[[Record], Result]], Callable[P, Result]]:
    """A decorator: the function takes the arguments that `record`, a dataclass, has, and is given a record.

    For type checkers, `inspect.signature` and `help()` it is a function with these arguments. Its docstring
    goes on with what the docstrings of the record's classes tell of each.
    """
    signature = inspect.signature(record)
    told = _told(record)
    arguments = "\n".join(told[name] for name in signature.parameters if name in told)

    def decorate(function: Callable[[Record], Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:  # the record's own would name the record, which nobody knows
                raise TypeError(f"{function.__name__}(): {error}") from None
            return function(record(*args, **kwargs))

        call.__doc__ = f"{inspect.getdoc(function)}\n\n{arguments}\n"
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _told(record: object) -> dict[str, str]:
    """The lines on each argument: its name, and below it the text, indented."""
    told = {}
    for each in reversed(inspect.getmro(record)) if isinstance(record, type) else ():
        _, _, arguments = inspect.cleandoc(each.__doc__ or "").partition("\n\n")
        for entry in re.findall(r"^\w+$(?:\n +.+)+", arguments, re.MULTILINE):
            told[entry.partition("\n")[0]] = entry
    return told
