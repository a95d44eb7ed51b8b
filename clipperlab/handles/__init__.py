"""Handles: one application, or one model, with what can be done to it."""

from .application import ApplicationHandle
from .model import ModelHandle
from .named import Named

__all__ = ["ApplicationHandle", "ModelHandle", "Named"]
