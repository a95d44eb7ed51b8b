"""The figures of the instructor's notes can be had."""

from __future__ import annotations

import os
import re

import pytest

from tests.tools import room


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_learner_is_measured_and_multiplied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIPPERLAB_HOME", os.environ.get("CLIPPERLAB_HOME", ""))  # to have it back
    monkeypatch.setattr(room, "SECONDS", 1.0)
    room.main(["--learners", "10"])
    said = capsys.readouterr().out
    of_kinds = {kind: float(mib) for mib, kind in re.findall(r"^ *([\d,]+) MiB .* a core  (.*)$", said, re.M)}
    one = of_kinds.pop("one learner who reads")
    assert set(of_kinds) == {"replicas", "kernel", "the rest of the cluster", "Jupyter server"}
    assert sum(of_kinds.values()) == pytest.approx(one, abs=4)
    of_ten = re.search(r"^10 learners who read: ([\d,]+) GiB", said, re.M)
    assert of_ten is not None, said
    # both figures are rounded, so that a half may be told up or down
    assert float(of_ten.group(1)) == pytest.approx(12.5 * one / 1024, abs=0.6)
