from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipperlab import BadRequest
from clipperlab.objectives import objective


def test_an_objective_is_given_in_either_unit() -> None:
    assert objective(100_000, None) == 100_000
    assert objective(np.int64(100_000), None) == 100_000
    assert objective(None, 100) == 100_000
    assert objective(None, 1.5) == 1500


@pytest.mark.parametrize(
    ("micros", "ms", "words"),
    [
        (None, None, "either as slo_ms or as slo_micros"),
        (1000, 1, "either as slo_ms or as slo_micros"),
        (0.1, None, r"slo_micros is in whole microseconds, above 0, and cannot be 0\.1: slo_ms=100"),
        ("fast", None, "slo_micros is in whole microseconds"),
        (-1, None, "slo_micros is in whole microseconds"),
        (None, 0, "slo_ms is in milliseconds, above 0"),
        (None, float("nan"), "slo_ms is in milliseconds, above 0"),
        (None, "100", "slo_ms is in milliseconds, above 0"),
    ],
)
def test_what_is_no_time_is_refused_with_the_arguments_name_and_unit(
    micros: Any, ms: Any, words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        objective(micros, ms)


def test_a_wrong_unit_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"slo_micros=100 is 0\.1 ms.*Note that slo_ms=100 and"):
        assert objective(100, None) == 100
    with pytest.warns(UserWarning, match=r"slo_ms=0\.1 is 0\.1 ms"):
        assert objective(None, 0.1) == 100
