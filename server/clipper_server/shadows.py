"""Shadows: versions that are asked beside the current one, and answer nobody."""

from __future__ import annotations

import msgspec


class ShadowSpec(msgspec.Struct, frozen=True):
    """`version` of `model` is asked for that fraction, from 0 to 1, of what the current one answers. Numbers
    that differ by `tolerance` at most are the same.
    """

    id: int
    model: str
    version: str
    fraction: float
    tolerance: float = 0.0
