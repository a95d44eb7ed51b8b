"""What the run of learners on a hub would tell of; the run itself wants a network, and minutes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.hub import Learner, Ports


def test_two_clusters_with_one_port_are_told_of(tmp_path: Path) -> None:
    learners = [Learner(name, tmp_path / name) for name in ("a", "b")]
    for learner, management in zip(learners, ("127.0.0.1:2", "127.0.0.1:3"), strict=True):
        record = learner.home / "c/lesson-01/cluster.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"query": "127.0.0.1:1", "management": management}))
    (tmp_path / "a/c/lesson-06").mkdir()
    (tmp_path / "a/c/lesson-06/cluster.json").write_text("{")
    ports = Ports(learners)
    ports.look()
    ports.end()
    assert (ports.most, ports.clashes) == (2, {"127.0.0.1:1"})
