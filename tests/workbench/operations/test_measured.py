from __future__ import annotations

import pytest

from clipperlab import ClipperConnection, NotFound
from tests.support.fake_management import FakeManagement


def test_the_path_of_a_query_is_told_as_a_story(conn: ClipperConnection, fake: FakeManagement) -> None:
    trace = {
        "query_id": 65,
        "application": "digits",
        "protocol": "clipper",
        "frontend": "1",
        "answer": "default",
        "took_ms": 20.0,
        "objective_ms": 20.0,
        "policy": "the linked model",
        "models": [{"version": "digits:1", "cache": "miss", "replicas_lost": 0, "batch": None}],
        "reason": "timeout",
        "explanation": "No replica was free in time.",
    }
    fake.answers["GET /queries/65"] = [(200, trace)]
    assert conn.why(65) == trace
    assert "default after 20.0 ms of 20.0 ms" in str(conn.why(65))
    assert "timeout: No replica was free in time." in str(conn.why(65))
    with pytest.raises(NotFound):
        conn.why(66)


def test_metrics_come_as_text_and_under_clippers_names(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /metrics"] = [(200, "# HELP clipper_x x\n")]
    fake.answers["GET /instance"] = [(200, {"internal:aggregate_num_predictions": 7})]
    assert conn.get_metrics() == "# HELP clipper_x x\n"
    assert conn.inspect_instance() == {"internal:aggregate_num_predictions": 7}
