"""Finds a protocol with ports of its own, which is imported where it is on."""

from __future__ import annotations

from importlib import import_module

from ...protocols import KINDS
from . import Served, Spoken


def load(name: str, served: Served) -> Spoken:
    """The protocol of that name, as its module's `speak` has it."""
    module = import_module(f".{KINDS[name].module}", __package__)
    spoken: Spoken = module.speak(served)
    return spoken
