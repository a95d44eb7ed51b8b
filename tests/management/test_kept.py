"""What management reads of the query log when it is asked: decisions, and what a shadow said."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clipper_server.querylog import Chosen, Pair, Record, Reward, Said, framed
from tests.support.managements import Served

APP = {"name": "a", "input_type": "doubles", "default_output": -1, "latency_slo_micros": 1000}


class Log:
    """Its segments, as they are on disk. Times are in seconds after `began`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.began = time.time()

    def chosen(self, query_id: int, at: float = 0) -> Chosen:
        return Chosen(query_id, self.began + at, "a", "", ("m:1",), 0.5, 3.0)

    def pair(self, query_id: int, same: bool = True, shadow: int = 1) -> Pair:
        return Pair(shadow, query_id, self.began, "a", "m:1", same, Said(b"1"), Said(b"1"))

    def segment(self, *records: Record, written: float = 0) -> None:
        self._file(written).write_bytes(framed(records))
        self._dated(written)

    def unreadable(self, written: float = 0) -> None:
        self._file(written).mkdir()
        self._dated(written)

    def _file(self, written: float) -> Path:
        self._last = self._folder / f"{len(list(self._folder.iterdir())):08}.log"
        return self._last

    def _dated(self, written: float) -> None:
        os.utime(self._last, (self.began + written,) * 2)


@pytest.fixture
def client(management: Served) -> Iterator[httpx2.Client]:
    with management.client() as client:
        assert client.post("/api/v1/applications", json=APP).status_code == 201
        yield client


@pytest.fixture
def log(client: httpx2.Client, tmp_path: Path) -> Log:
    return Log(tmp_path / "querylog")


def decisions(client: httpx2.Client, limit: int) -> list[tuple[int, Any]]:
    """Their ids, with their rewards."""
    found = client.get("/api/v1/applications/a/decisions", params={"limit": limit})
    assert found.status_code == 200, found.text
    return [(each["query_id"], each["rewards"]) for each in found.json()]


def pairs(client: httpx2.Client, limit: int, differing: bool = False) -> list[int]:
    found = client.get("/api/v1/models/m/shadow/pairs", params={"limit": limit, "differing": differing})
    assert found.status_code == 200, found.text
    return [each["query_id"] for each in found.json()]


def test_the_last_decisions_come_the_oldest_first_and_each_once(client: httpx2.Client, log: Log) -> None:
    log.segment(log.chosen(1), log.chosen(2))
    log.segment(log.chosen(2), log.chosen(3), log.chosen(4))
    assert decisions(client, 3) == [(2, None), (3, None), (4, None)]
    assert len(decisions(client, 10)) == 4


def test_of_a_long_log_only_what_is_asked_for_is_read(client: httpx2.Client, log: Log) -> None:
    log.unreadable(written=100)
    log.segment(log.chosen(1, at=150), written=200)
    log.segment(log.chosen(2, at=250), log.chosen(3, at=260), written=300)
    log.segment(log.chosen(4, at=350), written=400)
    assert [query_id for query_id, _ in decisions(client, 2)] == [3, 4]


def test_a_reward_that_was_written_before_its_decision_is_found(client: httpx2.Client, log: Log) -> None:
    """Query frontends bring decisions and feedback apart."""
    log.unreadable(written=0)
    log.segment(Reward(2, "a", [("m:1", 1.0)]), written=50)
    log.segment(Reward(1, "a", [("m:1", 0.25)]), Reward(2, "b", [("m:1", 1.0)]), written=101)
    log.segment(Reward(1, "a", [("m:1", 0.75)]), written=150)
    log.segment(log.chosen(2, at=100), log.chosen(1, at=100), written=200)
    assert decisions(client, 2) == [(2, None), (1, [["m:1", 0.75]])]


def test_those_of_an_earlier_application_of_that_name_are_left_out(client: httpx2.Client, log: Log) -> None:
    log.unreadable(written=-100)
    log.segment(log.chosen(1, at=-60), Reward(2, "a", [("m:1", 1.0)]), written=-50)
    log.segment(log.chosen(2, at=-1), log.chosen(3, at=1), written=2)
    assert decisions(client, 100) == [(3, None)]


def test_a_shadows_last_pairs_come_the_newest_first_and_no_more_is_read(
    management: Served, client: httpx2.Client, log: Log
) -> None:
    management.do(lambda: management.state.add_shadow("m", "2", 1.0, 0.0, "", ""))
    log.began = time.time()
    log.unreadable(written=-50)
    log.segment(log.pair(1, same=False), log.pair(2, shadow=7), log.pair(3), written=-10)
    log.segment(log.pair(4, same=False), log.pair(5), log.pair(6), written=100)
    log.segment(log.pair(6), log.pair(7, same=False), written=200)
    assert pairs(client, 3) == [7, 6, 5]
    assert pairs(client, 1, differing=True) == [7]
    assert pairs(client, 10, differing=True) == [7, 4], "nothing is written of a shadow before it begins"
