"""What the drill says of a load's outcomes, where the machine stood still and where it did not."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tools.drill.load import Load


@pytest.mark.parametrize(
    ("stood_still_s", "unanswered"),
    [
        (0.02, {"default: deadline": 3, "default: model_error": 1, "lost in flight": 2}),
        (1.5, {"default: model_error": 1, "lost in flight": 2}),
    ],
)
def test_what_is_late_where_the_machine_stood_still_is_nobodys_doing(
    stood_still_s: float, unanswered: dict[str, int]
) -> None:
    load = Load("http://127.0.0.1:1/app/predict", 100)
    load.stood_still_s["beside"] = stood_still_s  # type: ignore[assignment]
    load.seen["beside"] = Counter(
        {"answered": 90, "default: deadline": 3, "default: model_error": 1, "lost in flight": 2}
    )
    assert load.unanswered("beside", 3.0) == unanswered
    assert load.unanswered("nobody", 3.0) == {}
