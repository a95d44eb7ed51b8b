"""What bodies of requests may be: how long, and what in them the database and the frontends can hold."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, model_validator
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipper_container.plain import is_text

MAX_BODY = 4 << 20  # bytes: the report of a frontend that has thousands of replicas has room
MAX_DEPTH = 64
_BIG = 2**63  # SQLite's whole numbers


class Limit:
    """Refuses bodies above 4 MiB with 413, before they are in memory; but not what is under `exempt`."""

    def __init__(self, app: ASGIApp, exempt: str) -> None:
        self._app = app
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self._app(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                # The server goes on to read the rest, and throws it away: a client that is cut off while it
                # sends may never see the answer.
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, counted, send)


_TOO_LARGE = f"The body is larger than {MAX_BODY >> 20} MiB. What is that large is uploaded as an artifact."


class Body(BaseModel):
    """The root of the bodies: a value that could not be kept as it is, is refused.

    JSON's texts may have halves of characters in them and its numbers no end, Python reads NaN and Infinity
    as well, and the answer that quotes a value nested too deep could not be written.
    """

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        check_value(self.__dict__)
        return self


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(f"it should be a number, and is {value!r}")
    return value


Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
"""Numbers as JSON has them: true is none, nor is a text that spells one."""


def check_value(value: Any) -> None:
    """Raises ValueError, with the reason, where a value as JSON has them cannot be kept."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, int) and not -_BIG <= item < _BIG:
                raise ValueError("whole numbers may have 64 bits at most")
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("NaN and Infinity are no numbers in JSON")
            elif isinstance(item, str) and not is_text(item):
                raise ValueError("a text has half a character in it (a lone surrogate)")
        level = below
        if not level:
            return
    raise ValueError(f"values may be nested {MAX_DEPTH} deep at most")
