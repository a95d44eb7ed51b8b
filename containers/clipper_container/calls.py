"""What a pipeline calls: other models, by the connection that its query came by."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np

from . import wire
from .errors import CallFailed
from .named import TEXTS, is_named
from .plain import as_json, is_text
from .tensors import Tensor, array_tensor, decode
from .wire import Buffer

_NOTHING: Final = object()
_LONGEST_NAME = 253


class Link(Protocol):
    """The connection to a frontend."""

    @property
    def closed(self) -> bool: ...
    def send(self, message: object, body: list[Buffer] = ...) -> None: ...


class _Pending(NamedTuple):
    link: Link
    batch: int
    model: str
    done: asyncio.Future[Any]


class Calls:
    """Those of one replica that are under way, on one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}

    async def ask(self, link: Link, batch: int, model: str, left_s: float, value: Any) -> Any:
        """The output. Raises CallFailed; cancelled, it tells the frontend."""
        tensor = _written(model, value)
        id = next(self._ids)
        done = asyncio.get_running_loop().create_future()
        self._pending[id] = _Pending(link, batch, model, done)
        try:
            link.send(wire.Call(id, batch, model, left_s, tensor.dtype, tensor.shape), [tensor.data])
            if link.closed:
                raise _gone(model)
            return await done
        except asyncio.CancelledError:
            link.send(wire.Cancel(id))
            raise
        finally:
            del self._pending[id]

    def called(self, link: Link, message: wire.Called, body: memoryview) -> None:
        """The frontend's answer. One that nobody waits for crossed our word that it need not come."""
        pending = self._pending.get(message.id)
        if pending is None or pending.link is not link or pending.done.done():
            return
        if (fault := message.fault) is not None:
            pending.done.set_exception(CallFailed(fault.message, pending.model, fault.reason))
        else:
            pending.done.set_result(_read(message, body))

    def let_go(self, link: Link, batch: int) -> None:
        """The batch is answered. What still waits for a call of it is cancelled, for no answer comes."""
        for pending in self._pending.values():
            if pending.batch == batch and pending.link is link:
                pending.done.cancel()

    def gone(self, link: Link) -> None:
        for pending in self._pending.values():
            if pending.link is link and not pending.done.done():
                pending.done.set_exception(_gone(pending.model))


class Models:
    """What a pipeline's function gets: `await models["name"](input)` is that model's output.

    One object for each query. `left_s`: the seconds that are left for it.
    """

    def __init__(self, calls: Calls, link: Link, batch: int, left_s: float) -> None:
        self.partial = False
        self._ended = False
        self._calls = calls
        self._link = link
        self._batch = batch
        self._ends_at = calls.clock() + left_s

    @property
    def left_s(self) -> float:
        return max(0.0, self._ends_at - self._calls.clock())

    def __getitem__(self, model: str) -> Model:
        if not isinstance(model, str) or len(model) > _LONGEST_NAME or not is_text(model):
            raise TypeError(f'models are called by their names, such as models["read"], not by {model!r:.60}')
        return Model(self, str(model))

    def end(self) -> None:
        """Their query is answered: nothing more is called for it."""
        self._ended = True
        self._calls.let_go(self._link, self._batch)

    async def _ask(self, model: str, value: Any, left_s: float) -> Any:
        if self._ended:
            raise CallFailed(
                "It was called when the query was answered. Await all calls before the function returns.",
                model,
                "not_needed",
            )
        return await self._calls.ask(self._link, self._batch, model, left_s, value)


class Model:
    """One that may be called."""

    def __init__(self, models: Models, name: str) -> None:
        self._models = models
        self.name = name

    async def __call__(self, value: Any, *, default: Any = _NOTHING, timeout_s: float | None = None) -> Any:
        """The model's output for one input: numbers as a numpy array or a number, else as JSON has it.

        With a `default` it is that where there is no output in time, and the answer says that it is partial.
        `timeout_s` is the longest to wait for it, where that is less than the time that is left.
        Raises CallFailed.
        """
        left_s = self._models.left_s
        if timeout_s is not None:
            left_s = float(max(0.0, min(left_s, timeout_s)))
        try:
            return await self._models._ask(self.name, value, left_s)
        except CallFailed:
            if default is _NOTHING:
                raise
            self._models.partial = True
            return default


current: ContextVar[Models] = ContextVar("models")
"""Of the query that is worked on."""


def _written(model: str, value: Any) -> Tensor:
    """The input as it travels. Raises CallFailed where it is nothing that travels."""
    try:
        if isinstance(value, bytes | bytearray | memoryview):
            return Tensor(bytes(value), (len(value),), "bytes")
        if isinstance(value, str):
            data = value.encode()
            return Tensor(data, (len(data),), "str")
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
            return array_tensor(value)
        return Tensor(as_json(value), (), "")
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise CallFailed(
            f"The input for {model} cannot travel: {error}. Give numbers, texts, bytes, arrays, or lists and "
            "dictionaries of them.",
            model,
            "bad_input",
        ) from None


def _read(message: wire.Called, body: memoryview) -> Any:
    if not message.dtype:
        return msgspec.json.decode(body)
    if is_named(message.dtype):
        return _plainly(decode(1, [message.dtype], [message.shape], body)[0])
    if message.dtype in TEXTS:
        return bytes(body) if message.dtype == "bytes" else str(body, "utf-8")
    found = np.frombuffer(body, message.dtype).reshape(message.shape)
    return found.item() if not message.shape else found


def _plainly(found: dict[str, Any]) -> dict[str, Any]:
    """Named outputs: single numbers as Python's own."""
    return {
        name: value.item() if getattr(value, "shape", None) == () else value for name, value in found.items()
    }


def _gone(model: str) -> CallFailed:
    return CallFailed(f"The query frontend is gone that {model} was asked by.", model, "frontend_gone")
