"""Loads: an open loop in a process of its own, and what it saw."""

from .run import Comparison, LoadResult, LoadRun

__all__ = ["Comparison", "LoadResult", "LoadRun"]
