"""Latency objectives, in milliseconds as people say them or in microseconds as Clipper has them."""

from __future__ import annotations

import math
import operator
import warnings

from clipper_container.errors import BadRequest

SHORTEST = 1000  # microseconds: less than this is a mistake in the unit, mostly
_EXAMPLE = "slo_ms=100 and slo_micros=100_000 both are 100 ms"


def objective(slo_micros: object, slo_ms: float | None) -> int:
    """The objective in microseconds, from the one that is given. Warns below a millisecond.

    Raises BadRequest where both or neither are given, or it is no time.
    """
    if (slo_micros is None) == (slo_ms is None):
        raise BadRequest(f"Give the latency objective either as slo_ms or as slo_micros: {_EXAMPLE}.")
    if slo_ms is not None:
        if not isinstance(slo_ms, int | float) or not 0 < slo_ms < math.inf:
            raise BadRequest(f"slo_ms is in milliseconds, above 0, and cannot be {slo_ms!r}: {_EXAMPLE}.")
        micros = max(1, round(1000 * slo_ms))
        given = f"slo_ms={slo_ms:g}"
    else:
        try:
            micros = operator.index(slo_micros)  # type: ignore[arg-type]
        except TypeError:
            micros = 0
        if micros <= 0:
            raise BadRequest(
                f"slo_micros is in whole microseconds, above 0, and cannot be {slo_micros!r}: {_EXAMPLE}."
            )
        given = f"slo_micros={micros}"
    if micros < SHORTEST:
        warnings.warn(
            f"{given} is {micros / 1000:g} ms, which a query needs for its way alone: most answers will be "
            f"the default output. Note that {_EXAMPLE}.",
            stacklevel=3,
        )
    return micros
