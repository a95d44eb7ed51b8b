"""Modules that lie beside the notebook or script, and travel with the functions that use them.

A replica cannot import them: it runs in another folder, perhaps on another machine. So while something is
pickled they are pickled by value, as what the notebook itself defines is.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import cloudpickle

HOMES: list[Path] = []  # folders of scripts that were run without being the main one
_one_at_a_time = threading.RLock()
_OURS = ("clipperlab", "clipper_server", "clipper_container")  # replicas have them, wherever they lie


@contextmanager
def by_value() -> Iterator[None]:
    """Within the block cloudpickle takes local modules, and what they define, by value.

    One thread at a time, for cloudpickle has one list of them.
    """
    with _one_at_a_time:
        known = cloudpickle.list_registry_pickle_by_value()
        modules = [m for m in local_modules() if m.__name__ not in known]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)


def local_modules() -> list[ModuleType]:
    """Those imported modules whose files lie under the working directory, or under the script's folder.

    Not among them: what is installed, wherever that is, and what is not Python source, which cannot travel.
    """
    homes, installed = _homes(), _installed()
    return [
        module
        for name, module in sys.modules.copy().items()  # in one step: other threads import too
        if isinstance(module, ModuleType)
        and name != "__main__"
        and module.__name__ == name
        and name.partition(".")[0] not in _OURS
        and _is_local(getattr(module, "__file__", None), homes, installed)
    ]


def _is_local(file: str | None, homes: tuple[str, ...], installed: tuple[str, ...]) -> bool:
    """Whether a module's file lies under one of these folders, and is not installed."""
    # Thousands of modules may be imported, so what is plainly installed is not looked at on disk.
    if file is None or not file.endswith(".py") or file.startswith(installed):
        return False
    path = os.path.realpath(file)
    return path.startswith(homes) and not path.startswith(installed)


def _homes() -> tuple[str, ...]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return _folders(Path.cwd(), *HOMES, *([Path(script).parent] if script else []))


def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    places = (paths["purelib"], paths["platlib"], paths["stdlib"], *site.getsitepackages())
    return _folders(*map(Path, places))


def _folders(*paths: Path) -> tuple[str, ...]:
    """As the beginnings of the paths of what lies in them, however these are written."""
    return tuple({f"{written}{os.sep}" for path in paths for written in (path.absolute(), path.resolve())})
