"""Loads: an open loop in a process of its own, and what it saw."""

from .result import Comparison, LoadResult
from .run import LoadRun

__all__ = ["Comparison", "LoadResult", "LoadRun"]
