"""Which arm a unit gets: the same in every frontend, without asking anybody.

By weighted rendezvous: each arm draws a number for the unit, and the highest wins. A weight that changes, or
an arm that comes or goes, moves no more units than it must.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

from . import Arm


def draw(salt: str, unit: str) -> float:
    """A number in (0, 1) that looks random, and is the same for the same salt and unit."""
    digest = blake2b(f"{salt}:{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64


def choose(salt: str, unit: str, weights: Iterable[tuple[Arm, float]]) -> Arm:
    """Over all units each arm is chosen with the share that its weight is of all."""
    return max(weights, key=lambda each: each[1] / -math.log(draw(f"{salt}:{each[0].name}", unit)))[0]
