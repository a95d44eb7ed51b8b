from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper_container import wire
from clipper_container.links import Work
from clipper_container.replica import answer, encode_outputs
from clipper_container.wire import Fault


class NoLink:
    """Stands in for a connection: `answer` must not touch it."""

    closed = False


def work(values: list[list[float]]) -> Work:
    body = memoryview(bytearray(np.array(values, dtype="<f8").tobytes()))
    batch = wire.Batch(1, "<f8", len(values), [(len(values[0]),)])
    return Work(NoLink(), batch, body)  # type: ignore[arg-type]


def test_a_batch_is_answered_in_order() -> None:
    reply, body = answer(lambda rows: [float(row.sum()) for row in rows], work([[1, 2], [3, 4]]))
    assert body == [b"3.0", b"7.0"]
    assert reply.sizes == [3, 3]
    assert (reply.fault, reply.faults, reply.credits) == (None, {}, 1)


def raises(error: BaseException) -> Any:
    def predict(_: Any) -> Any:
        raise error

    return predict


@pytest.mark.parametrize("error", [ValueError("bad value"), SystemExit("bad value")])
def test_what_the_model_raises_is_the_answer(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    reply, body = answer(raises(error), work([[1.0]]))
    assert reply.fault is not None
    assert reply.fault.reason == "model_error"
    assert "bad value" in reply.fault.message
    assert body == []
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([1], "wrong_output_length"),
        ([1, 2, 3], "wrong_output_length"),
        (7, "bad_output"),
        ("ab", "bad_output"),
    ],
)
def test_a_wrong_number_or_kind_of_outputs_is_told(outputs: object, reason: str) -> None:
    fault = encode_outputs(outputs, 2)
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert "one output for each input" in fault.message


def test_numpy_outputs_are_written_as_numbers() -> None:
    outputs = [np.float32(0.5), np.int64(3), np.array([[1, 2]]), np.bool_(True), {"p": np.float64(1)}]
    texts, faults = encode_outputs(outputs, 5)  # type: ignore[misc]
    assert texts == [b"0.5", b"3", b"[[1,2]]", b"true", b'{"p":1.0}']
    assert not faults


def test_one_output_that_json_cannot_hold_costs_one_answer() -> None:
    texts, faults = encode_outputs([1, object(), "x"], 3)  # type: ignore[misc]
    assert texts == [b"1", b"", b'"x"']
    assert faults[1].reason == "bad_output"
