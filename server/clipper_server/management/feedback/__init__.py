"""Feedback: added up once, by a thread with a file of its own, and published as tables."""

from __future__ import annotations

from .feedback import Feedback

__all__ = ["Feedback"]
