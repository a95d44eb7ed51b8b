"""A short run of the fuzzer: nothing that comes in may cost the neighbour an answer."""

from __future__ import annotations

from random import Random

import pytest

from clipperlab import ClipperConnection
from tests.tools.fuzz import tensorflow_serving
from tests.tools.fuzz.http import fuzz
from tests.tools.fuzz.requests import request
from tests.tools.fuzz.rpc import fuzz as fuzz_grpc


def test_a_seed_gives_the_same_requests() -> None:
    first, second, other = Random(1), Random(1), Random(2)
    several = [request(first) for _ in range(100)]
    assert several == [request(second) for _ in range(100)]
    assert several != [request(other) for _ in range(100)]


@pytest.mark.slow
def test_no_request_costs_the_neighbour_an_answer(conn: ClipperConnection) -> None:
    seen = fuzz(conn, 3000, seed=16)
    assert not seen.faults
    assert seen.statuses.keys() >= {200, 400, 404, 405}


@pytest.mark.slow
def test_nor_does_one_by_tensorflow_serving(conn: ClipperConnection) -> None:
    seen = tensorflow_serving.fuzz(conn, 2000, seed=21)
    assert not seen.faults
    assert seen.statuses.keys() >= {200, 400, 404}
    assert seen.codes.keys() >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}


def test_no_message_over_grpc_fails_by_our_own_fault_or_is_left_without_an_answer() -> None:
    seen = fuzz_grpc(2000, seed=21)
    assert not seen.faults
    assert seen.statuses.keys() >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    assert seen.statuses["OK"] > 200
