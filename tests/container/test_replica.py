from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clipper_container import wire
from clipper_container.artifact import Manifest
from clipper_container.container import Predict
from clipper_container.links import Work
from clipper_container.replica import Outputs, answer, encode_outputs, reply, warm_up
from clipper_container.wire import Fault


class NoLink:
    """Stands in for a connection: `answer` must not touch it."""

    closed = False


def work(values: list[list[float]], raw: list[int] | None = None) -> Work:
    body = memoryview(bytearray(np.array(values, dtype="<f8").tobytes()))
    batch = wire.Batch(1, len(values), ["<f8"], [(len(values[0]),)], raw or [])
    return Work(NoLink(), batch, body)  # type: ignore[arg-type]


def run(predict: Callable[[Any], Any], given: Work) -> tuple[wire.Reply, list[bytes]]:
    compute_s, answered = answer(predict, given)
    header, body = reply(given, compute_s, 1, answered)
    assert header.sizes == [len(part) for part in body]
    return header, [bytes(part) for part in body]


def test_a_batch_is_answered_in_order() -> None:
    header, body = run(lambda rows: [float(row.sum()) for row in rows], work([[1, 2], [3, 4]]))
    assert body == [b"3.0", b"7.0"]
    assert (header.fault, header.faults, header.credits, header.tensors) == (None, {}, 1, {})


def raises(error: BaseException) -> Any:
    def predict(_: Any) -> Any:
        raise error

    return predict


@pytest.mark.parametrize("error", [ValueError("bad value"), SystemExit("bad value")])
def test_what_the_model_raises_is_the_answer(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    header, body = run(raises(error), work([[1.0]]))
    assert header.fault is not None
    assert header.fault.reason == "model_error"
    assert "bad value" in header.fault.message
    assert body == []
    assert "Traceback" in capsys.readouterr().err


def test_an_exception_in_an_outputs_place_is_that_inputs_fault_alone() -> None:
    header, body = run(lambda rows: [1, ValueError("bad value"), 3], work([[1], [2], [3]]))
    assert body == [b"1", b"", b"3"]
    assert header.fault is None
    assert header.faults == {1: Fault("model_error", "The model raised ValueError: bad value")}


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([1], "wrong_output_length"),
        ([1, 2, 3], "wrong_output_length"),
        (np.zeros(3), "wrong_output_length"),
        (np.float64(7), "bad_output"),
        (np.array(7), "bad_output"),
        (7, "bad_output"),
        ("ab", "bad_output"),
    ],
)
def test_a_wrong_number_or_kind_of_outputs_is_told(outputs: object, reason: str) -> None:
    fault = encode_outputs(outputs, 2, [])
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert "one output for each input" in fault.message


def test_numpy_outputs_are_written_as_numbers() -> None:
    outputs = [np.float32(0.5), np.int64(3), np.array([[1, 2]]), np.bool_(True), {"p": np.float64(1)}]
    encoded = encode_outputs(outputs, 5, [])
    assert isinstance(encoded, Outputs)
    assert encoded.body == [b"0.5", b"3", b"[[1,2]]", b"true", b'{"p":1.0}']
    assert not encoded.faults


def test_one_output_that_json_cannot_hold_costs_one_answer() -> None:
    encoded = encode_outputs([1, object(), "x"], 3, [])
    assert isinstance(encoded, Outputs)
    assert encoded.body == [b"1", b"", b'"x"']
    assert encoded.faults[1].reason == "bad_output"


def test_outputs_that_are_wanted_raw_are_tensors_where_they_can_be() -> None:
    whole = np.arange(6, dtype=np.float32).reshape(2, 3)
    header, body = run(lambda _: whole, work([[1], [2]], raw=[0, 1]))
    assert header.tensors == {0: ("<f4", (3,)), 1: ("<f4", (3,))}
    assert b"".join(body) == whole.tobytes()
    kinds = ["text", b"bytes", True, 7, {"a": 1}, np.int8(3)]
    header, body = run(lambda _: kinds, work([[0]] * 6, raw=[0, 1, 2, 3, 4, 5]))
    assert header.tensors == {
        **{0: ("str", (4,)), 1: ("bytes", (5,)), 2: ("|b1", ()), 3: ("<i8", ())},
        5: ("|i1", ()),
    }
    assert body[4] == b'{"a":1}'
    header, body = run(lambda _: [np.ones(2), np.ones(2)], work([[0], [0]], raw=[1]))
    assert body == [b"[1.0,1.0]", np.ones(2).tobytes()]


# Warming up


def manifest(**changes: Any) -> Manifest:
    fields = {"format": 1, "loader": "python", "input_type": "doubles", "python": "", "interpreter": ""}
    return Manifest(**{**fields, "packages": {}, "example_input": [1.0, 2.0], **changes})


def test_the_warm_up_measures_batches_of_the_example_up_to_the_largest_allowed() -> None:
    sizes: list[int] = []

    def predict(batch: Any) -> list[int]:
        assert batch.tolist() == [[1.0, 2.0]] * len(batch)
        sizes.append(len(batch))
        return [0] * len(batch)

    measured = warm_up(predict, manifest(), 9)
    assert sizes == [1, *[1] * 3, *[2] * 3, *[4] * 3, *[8] * 3]
    assert [cost for cost, _ in measured] == sizes[1:]
    assert all(seconds >= 0 for _, seconds in measured)


def test_the_warm_up_counts_cost_as_the_size_function_does() -> None:
    measured = warm_up(lambda batch: [0] * len(batch), manifest(size="x.size * 5"), 2)
    assert [cost for cost, _ in measured] == [10.0] * 3 + [20.0] * 3


def test_without_an_example_there_is_no_warm_up() -> None:
    assert warm_up(raises(ValueError()), manifest(example_input=None), 9) == []


def test_a_model_that_cannot_take_many_is_measured_at_what_it_can(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def predict(batch: Any) -> list[int]:
        if len(batch) > 2:
            raise MemoryError
        return [0] * len(batch)

    assert {cost for cost, _ in warm_up(predict, manifest(), 64)} == {1, 2}
    assert "MemoryError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        (raises(ValueError("no")), "no"),
        (lambda _: [1, 2], "one output for each"),
        (lambda _: [object()], "JSON"),
    ],
)
def test_a_model_that_cannot_answer_its_example_is_not_ready(predict: Predict, words: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        warm_up(predict, manifest(), 4)
