"""Pickles what a notebook defines: by value, also where a decorator has made it."""

from __future__ import annotations

import functools
import io
import os
import pickle
import sys
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import IO, Any

import cloudpickle

from clipper_container import decorated, sources

from .sources import Sources

_NOWHERE = "<dynamic-code>"  # cloudpickle's name for where all code comes from
_Cached = type(functools.lru_cache(len))
_SINGLE_DISPATCH = functools.singledispatch(len).__code__  # type: ignore[attr-defined]


def dumps(value: object) -> bytes:
    """As cloudpickle.dumps. Raises PicklingError also where only this process would find it by its name."""
    with io.BytesIO() as file:
        _Pickler(file).dump(value)
        return file.getvalue()


@dataclass(frozen=True)
class _Constants:
    """A set that is written in code, `x in {"a", "b"}`: its order differs from process to process."""

    values: frozenset[Any]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._sources = Sources()

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is CodeType:
            return self._code(value)
        if kind is type(os.environ):  # the replica's own, and nobody's keys
            return getattr, (os, "environb" if value is getattr(os, "environb", None) else "environ")
        if kind is io.TextIOWrapper and value not in (sys.stdout, sys.stderr) and not value.closed:
            raise pickle.PicklingError("a file is open in one process")  # cloudpickle copies its text
        if kind is _Cached and not travels_by_name(value):
            parameters = value.cache_parameters()
            return decorated.cached, (value.__wrapped__, parameters["maxsize"], parameters["typed"])
        if kind is functools.cached_property:
            return decorated.cached_property, (value.func, value.attrname)
        if kind is FunctionType and value.__code__ is _SINGLE_DISPATCH and not travels_by_name(value):
            return decorated.single_dispatch, (value.__wrapped__, _implementations(value))
        if kind is _Constants:
            return frozenset, (sorted(value.values, key=repr),)
        if kind is ModuleType:
            return self._module(value)
        found = super().reducer_override(value)
        if kind is FunctionType and found is not NotImplemented:
            _, (_, names, *_), (_, slots), *_ = found
            self._move(names, value.__globals__)
            self._move(slots["__globals__"], value.__globals__)
        if found is NotImplemented and kind not in self.dispatch_table and _may_be_a_name(value):
            found = value.__reduce_ex__(cloudpickle.DEFAULT_PROTOCOL)
            if isinstance(found, str) and not travels_by_name(value, found):
                raise pickle.PicklingError(
                    f"the {kind.__module__}.{kind.__qualname__} {found!r} is pickled by its name alone, and "
                    "only this process knows that"
                )
        return found

    def _code(self, value: CodeType) -> Any:
        """As cloudpickle does it, but that it keeps where it was written, and the order of its sets."""
        _, args = self.dispatch_table[CodeType](value)
        name = self._sources.name(value.co_filename, value.co_qualname.partition(".")[0])
        constants = tuple(_Constants(each) if type(each) is frozenset else each for each in value.co_consts)
        changed = {id(value.co_consts): constants}
        named = tuple(name if arg == _NOWHERE else changed.get(id(arg), arg) for arg in args)
        lines = self._sources.lines(value)
        return sources.code, (named, name, value.co_firstlineno, lines)

    def _module(self, value: ModuleType) -> Any:
        """As cloudpickle does it, but for where it lies."""
        make, args = self.dispatch_table[ModuleType](value)
        for names in args[1:]:  # where it travels by value
            self._move(names, vars(value))
        return make, args

    def _move(self, names: dict[str, Any], module: dict[str, Any]) -> None:
        """Take out of `names`, which are some of a module's, where that lies: it lies nowhere elsewhere."""
        for name in names.keys() & {"__cached__", "__loader__", "__spec__"}:
            del names[name]
        if "__path__" in names:
            names["__path__"] = []
        if isinstance(names.get("__file__"), str):
            names["__file__"] = self._sources.name(module["__file__"], module["__name__"])


def _implementations(dispatched: Any) -> list[tuple[type, Any]]:
    """All but the first, which is for every object."""
    return [(kind, func) for kind, func in dispatched.registry.items() if kind is not object]


def _may_be_a_name(value: Any) -> bool:
    """Whether to ask it: it has a name, as what decorators make does, or a class that is not installed."""
    kind = type(value)
    if isinstance(value, type | FunctionType | ModuleType):
        return False
    try:
        if isinstance(value.__qualname__, str):
            return True
    except Exception:  # it may answer to any name, or to none, in its own way
        pass
    plain: Any = object
    asks = kind.__reduce__ is not plain.__reduce__ or kind.__reduce_ex__ is not plain.__reduce_ex__
    return asks and not _is_installed(kind.__module__)


def travels_by_name(value: Any, name: str = "") -> bool:
    """Whether a replica finds it, as installed modules' things are found."""
    name = name or value.__qualname__
    module = pickle.whichmodule(value, name)  # type: ignore[attr-defined]
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value and _is_installed(module)


def _is_installed(module: str) -> bool:
    by_value = cloudpickle.list_registry_pickle_by_value()
    parts = module.split(".")
    return module != "__main__" and not any(".".join(parts[: i + 1]) in by_value for i in range(len(parts)))
