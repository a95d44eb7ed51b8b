"""Loads a Python file as a module, whose functions then travel by value.

It is what `import` would make of the file: a main block does not run, and Python finds out its encoding.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from clipper_container.errors import BadRequest

from . import local_modules


def function_in(file: Path, name: str) -> Callable[..., Any]:
    """Raises BadRequest where there is none, and with the file's own traceback where it cannot be loaded."""
    module = load(file)
    found = getattr(module, name, None)
    if not callable(found):
        own = [
            k
            for k, v in vars(module).items()
            if callable(v) and k[0] != "_" and getattr(v, "__module__", None) == module.__name__
        ]
        raise BadRequest(
            f"{file} has no function {name!r}, but: {', '.join(own) or 'none'}. Choose one with --function."
        )
    function: Callable[..., Any] = found
    return function


def load(file: Path) -> ModuleType:
    """The file as a module, with the modules beside it. Raises BadRequest where it ends by an exception."""
    file = file.absolute()
    sys.path.insert(0, str(file.parent))
    local_modules.HOMES.append(file.parent)
    name = file.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"{name}_"  # a file may be called like a library that it uses
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BadRequest(f"{file.name} is no Python file. Give one whose name ends in .py, or an artifact.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: its classes may be pickled at its top
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BadRequest(_told(file, error)) from error
    return module


def _told(file: Path, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"{file.name} ends the program while it is loaded (exit code {error.code!r}), so nothing is "
            'deployed. Put what a script does under `if __name__ == "__main__":`.'
        )
    frames = traceback.TracebackException.from_exception(error)
    while frames.stack and frames.stack[0].filename != str(file):
        frames.stack.pop(0)
    return f"{file.name} cannot be loaded. Nothing is deployed.\n\n{''.join(frames.format()).strip()}"
