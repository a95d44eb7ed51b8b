from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipperlab import AlreadyExists, ClipperConnection, NotFound
from tests.support.fake_management import FakeManagement


def test_applications(conn: ClipperConnection, fake: FakeManagement) -> None:
    app: Any = {"name": "digits", "linked_models": ["digits"]}
    fake.answers["POST /applications"] = [(201, app), (409, {"error": "AlreadyExists", "message": "taken"})]
    fake.answers["GET /applications"] = [(200, [app])]
    fake.answers["GET /applications/digits"] = [(200, app)]
    fake.answers["PUT /applications/digits/links/digits"] = [(200, app)]
    fake.answers["DELETE /applications/digits"] = [(204, None)]
    conn.register_application("digits", "doubles", "-1", np.int64(500_000))  # type: ignore[arg-type]
    assert fake.requests[-1][1] == {
        "name": "digits",
        "input_type": "doubles",
        "default_output": "-1",
        "latency_slo_micros": 500_000,
        "on_overload": "default",
    }
    with pytest.raises(AlreadyExists):
        conn.register_application("digits", "doubles", "-1", 500_000, on_overload="reject")
    assert fake.requests[-1][1]["on_overload"] == "reject"
    fake.answers["PATCH /applications/digits"] = [(200, app)]
    conn.set_latency_objective("digits", slo_ms=2.5)
    assert fake.requests[-1][1] == {"latency_slo_micros": 2500}
    conn.link_model_to_app("digits", "digits")
    assert conn.get_all_apps() == ["digits"]
    assert conn.get_all_apps(verbose=True) == [app]
    assert conn.get_linked_models("digits") == ["digits"]
    assert conn.get_app_info("digits") == app
    assert conn.get_app_info("other") is None
    with pytest.raises(NotFound):
        conn.unlink_model_from_app("digits", "other")
    conn.unregister_application("digits")
