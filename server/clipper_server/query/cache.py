"""The prediction cache of one query frontend, and the queries in flight that may share one answer."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from .task import Outcome, Output, Task

_OVERHEAD = 300  # bytes for an entry, beside its input and output; measured with sys.getsizeof


class Key(NamedTuple):
    """An input of one version. Keys are equal only if the inputs are: nothing rests on a hash alone."""

    version: tuple[str, str, int]
    data: bytes
    shape: tuple[int, ...]
    dtype: str
    raw: bool


class Cache:
    """Outputs by input, up to `size` bytes in all, the least recently used going first.

    A size of 0 switches it off, and with it the sharing of queries in flight. A late answer still fills it.
    """

    def __init__(self, size: int = 0) -> None:
        self.used = 0
        self.evictions = 0
        self.size = size
        self._outputs: OrderedDict[Key, Output] = OrderedDict()
        self._pending: dict[Key, Task] = {}

    def resize(self, size: int) -> None:
        self.size = size
        self._trim()

    def key(self, version: tuple[str, str, int], tensor: Tensor, raw: bool, limit: int) -> Key | None:
        """The key of an input; None where the cache is off, or the input larger than `limit` bytes."""
        if self.size == 0 or len(tensor.data) > limit:
            return None
        return Key(version, bytes(tensor.data), tensor.shape, tensor.dtype, raw)

    def output(self, key: Key) -> Output | None:
        found = self._outputs.get(key)
        if found is not None:
            self._outputs.move_to_end(key)
        return found

    def pending(self, key: Key) -> Task | None:
        """The task that will have the output, if one is on its way."""
        return self._pending.get(key)

    def expect(self, key: Key, task: Task) -> None:
        self._pending[key] = task

    def settle(self, task: Task, outcome: Outcome | None) -> None:
        """The task has an outcome, or was given up. Faults are not kept."""
        key = task.key
        assert isinstance(key, Key)
        if self._pending.get(key) is task:
            del self._pending[key]
        if outcome is not None and not isinstance(outcome, Fault):
            self._keep(key, outcome)

    def _keep(self, key: Key, output: Output) -> None:
        if (before := self._outputs.pop(key, None)) is not None:
            self.used -= _bytes(key, before)
        self._outputs[key] = output
        self.used += _bytes(key, output)
        self._trim()

    def _trim(self) -> None:
        while self.used > self.size:
            key, output = self._outputs.popitem(last=False)
            self.used -= _bytes(key, output)
            self.evictions += 1

    def drop(self, version: tuple[str, str, int]) -> None:
        """The version is gone, and all that it said."""
        for key in [key for key in self._outputs if key.version == version]:
            self.used -= _bytes(key, self._outputs.pop(key))

    def __len__(self) -> int:
        return len(self._outputs)


def _bytes(key: Key, output: Output) -> int:
    return len(key.data) + len(output.data if isinstance(output, Tensor) else output) + _OVERHEAD
