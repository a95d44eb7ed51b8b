"""Finds which part of an object cannot be pickled, in the words of the person who wrote it."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator

import cloudpickle

from clipper_container.articles import with_article

from .pickling import dumps


def find_culprit(value: object) -> str | None:
    """The innermost part of `value` that cannot be pickled: "global variable 'lock' (a _thread.lock)".

    Looks into functions (the variables that they use, their default values) and into attributes of
    objects. None where every part pickles on its own.
    """
    return _search(value, seen={id(value)})


def _search(value: object, seen: set[int]) -> str | None:
    for what, part in _parts(value):
        if id(part) in seen:
            continue
        seen.add(id(part))
        if not _pickles(part):
            return _search(part, seen) or f"{what} ({with_article(_type_name(part))})"
    return None


def _pickles(value: object) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """The named things that pickling `value` would pickle as well."""
    if isinstance(value, types.MethodType):
        yield "the object that the method belongs to", value.__self__
        value = value.__func__
    for name in ("__wrapped__", "__func__", "func", "fget"):
        wrapped = _attribute(value, name)
        if wrapped is not None:
            yield f"what {with_article(_type_name(value))} was made of, {_name(wrapped)}", wrapped
    if isinstance(value, functools.partial):
        for i, argument in enumerate(value.args):
            yield f"argument {i} of a partial", argument
        for name, argument in value.keywords.items():
            yield f"argument {name!r} of a partial", argument
    if isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield f"closure variable {name!r}", cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        for name in sorted(_names(value.__code__)):
            if name in value.__globals__:
                yield f"global variable {name!r}", value.__globals__[name]
        for name, default in inspect.signature(value).parameters.items():
            yield f"the default of argument {name!r}", default.default
    elif isinstance(value, types.ModuleType):
        if value.__name__ in cloudpickle.list_registry_pickle_by_value():
            for name, attribute in vars(value).items():
                if not name.startswith("__"):
                    yield f"{name!r} in the module {value.__name__!r}", attribute
    elif isinstance(value, type):
        for name, attribute in vars(value).items():
            if not name.startswith("__") or isinstance(attribute, types.FunctionType):
                yield f"{name!r} of the class {value.__name__!r}", attribute
    else:
        for name, attribute in getattr(value, "__dict__", {}).items():
            yield f"attribute {name!r} of {with_article(_type_name(value))}", attribute
        if type(value).__module__ == "__main__":
            yield f"class {type(value).__name__!r}", type(value)


def _attribute(value: object, name: str) -> object | None:
    """What a decorator keeps there; None for what has none, or everything."""
    if isinstance(value, type | types.ModuleType):
        return None
    found = inspect.getattr_static(value, name, None)
    if isinstance(found, types.MemberDescriptorType | types.GetSetDescriptorType):
        found = getattr(value, name, None)
    return found if callable(found) or isinstance(found, staticmethod | classmethod) else None


def _name(value: object) -> str:
    return repr(getattr(value, "__qualname__", None) or _type_name(value))


def _names(code: types.CodeType) -> set[str]:
    """The global names that the code and the functions inside it mention."""
    nested = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*map(_names, nested))


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
