from __future__ import annotations

import pytest

from clipperlab import ClipperConnection, NotFound
from clipperlab.display.batching import BatchingView
from tests.support.fake_management import FakeManagement, a_version


def test_the_way_of_batching_is_changed_and_shown(conn: ClipperConnection, fake: FakeManagement) -> None:
    path = "/models/digits/versions/1/batching"
    sizes = [{"cost": 4.0, "mean_ms": 2.5, "p99_ms": 3.0, "batches": 7}]
    fake.answers["GET /models"] = [(200, [a_version()])]
    fake.answers[f"PUT {path}"] = [(200, a_version())]
    fake.answers[f"GET {path}"] = [
        (
            200,
            [
                {
                    "frontend": frontend,
                    "way": "fixed(4)",
                    "dispatches": {"full": 3},
                    "replicas": [
                        {
                            "replica": "0",
                            "limit": 4.0,
                            "sizes": sizes,
                            "at_once": [{"at_once": 8, "mean_ms": 3.0, "batches": 7}],
                            "useless": "It is no use.",
                        }
                    ],
                    "windows": [
                        {"ago_s": ago, "batches": 2, "inputs": 8, "largest": 6, "compute_s": 0.01}
                        for ago in (3.2, 12.9)
                    ],
                }
                for frontend in ("0", "1")
            ],
        )
    ]
    conn.set_batching("digits", "fixed(4)", 2000)
    assert fake.requests[-1] == (f"PUT {path}", {"batching": "fixed(4)", "batch_delay_micros": 2000})
    view = conn.batching("digits", 1)
    assert (view.way, view.dispatches) == ("fixed(4)", {"full": 6})
    assert [(row["frontend"], row["cost"]) for row in view.rows] == [("0", 4.0), ("1", 4.0)]
    assert "digits:1 batches by fixed(4)" in str(view)
    assert "Replica 0, one input: 8 at once 3 ms each.\nIt is no use." in str(view)
    shown = view._repr_html_()
    assert "<td>2.50</td>" in shown
    assert shown.count("<svg ") == 3
    assert "average at -10 4, at 0 4; largest at -10 6, at 0 6" in shown
    assert "<svg" not in BatchingView("digits:1", [])._repr_html_()
    with pytest.raises(NotFound):
        conn.set_batching("digits", "off", version=2)
