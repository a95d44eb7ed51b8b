"""Finds what answers in an archive: a function, an object that has `handle`, or one that has the steps."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ArtifactError
from ..modules import imported
from .context import Context
from .manifest import Manifest

Handle = Callable[[Any, Context], Any]
_STEPS = ("preprocess", "inference", "postprocess")


def handler_in(folder: Path, manifest: Manifest, context: Context) -> Handle:
    """What answers a batch, once it has loaded its model. Raises ArtifactError, or what the handler does."""
    module = _module(folder, manifest)
    function = manifest.function or "handle"
    found = getattr(module, function, None)
    if callable(found):
        found(None, context)  # by which a function knows that it is to load its model
        handle: Handle = found
        return handle
    target = module if any(hasattr(module, step) for step in _STEPS) else _kind(module)()
    if callable(initialize := getattr(target, "initialize", None)):
        initialize(context)
    found = getattr(target, function, None)
    return found if callable(found) else _by_steps(target, manifest)


def _module(folder: Path, manifest: Manifest) -> ModuleType:
    name = manifest.module
    file = folder / f"{name}.py"
    if file.is_file():
        return imported(file)
    try:
        return importlib.import_module(f"ts.torch_handler.{name}")
    except ModuleNotFoundError as error:
        raise ArtifactError(
            f"The archive has no {file.name}, and TorchServe's own handler {name!r} is not here ({error}). "
            'Archive a handler with it, or deploy it with pkgs_to_install=["torchserve"] and what that needs.'
        ) from None


def _kind(module: ModuleType) -> type:
    """The class of the handler: the module's own, the last where one extends another."""
    kinds = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__ and _answers(each)
    ]
    last = [
        kind for kind in kinds if not any(other is not kind and issubclass(other, kind) for other in kinds)
    ]
    if not last:
        last = [each for each in vars(module).values() if isinstance(each, type) and _answers(each)]
    if len(last) != 1:
        names = ", ".join(kind.__name__ for kind in last) or "none"
        raise ArtifactError(
            f"{module.__name__}.py is to have a function handle(data, context), or one class of a handler, "
            f"and has {names}."
        )
    return last[0]


def _answers(kind: type) -> bool:
    return any(callable(getattr(kind, name, None)) for name in ("handle", *_STEPS))


def _by_steps(target: object, manifest: Manifest) -> Handle:
    steps = [step for name in _STEPS if callable(step := getattr(target, name, None))]
    if not steps:
        raise ArtifactError(f"The handler {manifest.model.handler} has no handle(data, context). Add one.")

    def handle(data: Any, _: Context) -> Any:
        for step in steps:
            data = step(data)
        return data

    return handle
