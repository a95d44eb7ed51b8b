from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clipper_container import wire
from clipper_container.artifact import Manifest
from clipper_container.faults import MOST
from clipper_container.links import Work
from clipper_container.loaders import Predict
from clipper_container.replica import answer, reply, warm_up
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
    assert sum(header.sizes) == sum(map(len, body))
    return header, [bytes(part) for part in body]


def test_a_batch_is_answered_in_order() -> None:
    header, body = run(lambda rows: [float(row.sum()) for row in rows], work([[1, 2], [3, 4]]))
    assert body == [b"3.0", b"7.0"]
    assert (header.fault, header.faults, header.credits, header.tensors) == (None, {}, 1, [])


def test_a_batch_of_several_dtypes_is_answered_in_order() -> None:
    batch = wire.Batch(1, 3, ["<f8", "|u1"], [(1,)], [], [1, 0, 1])
    body = memoryview(b"\x07" + np.float64(2.5).tobytes() + b"\x09")
    header, found = run(lambda rows: [float(row[0]) for row in rows], Work(NoLink(), batch, body))  # type: ignore[arg-type]
    assert found == [b"7.0", b"2.5", b"9.0"]
    assert header.fault is None
    batch = wire.Batch(1, 3, ["<f8"], [(1,)], [], [1, 0, 1])
    header, _ = run(lambda rows: [0] * 3, Work(NoLink(), batch, body))  # type: ignore[arg-type]
    assert header.fault is not None


def raises(error: BaseException) -> Any:
    def predict(_: Any) -> Any:
        raise error

    return predict


class GivenUp(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        *(kind("bad value") for kind in (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, GivenUp)),
        asyncio.CancelledError("bad value"),
    ],
)
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


def test_outputs_that_are_wanted_raw_are_tensors_where_they_can_be() -> None:
    whole = np.arange(6, dtype=np.float32).reshape(2, 3)
    header, body = run(lambda _: whole, work([[1], [2]], raw=[0, 1]))
    assert header.tensors == [("<f4", (3,), [0, 1])]
    assert b"".join(body) == whole.tobytes()
    kinds = ["text", b"bytes", True, 7, {"a": 1}, np.int8(3)]
    header, body = run(lambda _: kinds, work([[0]] * 6, raw=[0, 1, 2, 3, 4, 5]))
    assert header.tensors == [
        *(("str", (4,), [0]), ("bytes", (5,), [1]), ("|b1", (), [2]), ("<i8", (), [3])),
        ("|i1", (), [5]),
    ]
    assert body[4] == b'{"a":1}'
    header, body = run(lambda _: [np.ones(2), np.ones(2)], work([[0], [0]], raw=[1]))
    assert body == [b"[1.0,1.0]", np.ones(2).tobytes()]


def test_what_a_model_raises_travels_whatever_its_text_is(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("no such picture: " + os.fsdecode(b"caf\xe9.jpg"), "no" + "!" * 10_000_000):
        header, body = run(raises(ValueError(text)), work([[1.0]]))
        assert header.fault is not None
        assert header.fault.message.startswith("The model raised ValueError: no")
        assert len(header.fault.message) <= MOST
        wire.frame(header, body)
    assert "caf\\udce9.jpg" in capsys.readouterr().err


def test_faults_of_a_large_batch_fit_into_a_header() -> None:
    count = 20_000
    header, body = run(lambda rows: [ValueError("\udce9" * 5000) for _ in rows], work([[1.0]] * count))
    assert len(header.faults) == count
    wire.lengths(wire.frame(header, body)[0][: wire.PREFIX.size])


def test_outputs_that_are_too_much_for_the_wire_are_the_models_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipper_container.replica.MAX_BODY", 1 << 20)
    header, body = run(lambda rows: ["a" * (1 << 19)] * 3, work([[1], [2], [3]]))
    assert header.fault is not None
    assert "The model returned 1 MiB for 3 inputs, and 1 MiB is the most" in header.fault.message
    assert body == []


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

    measured, _ = warm_up(predict, manifest(), 9)
    assert sizes == [1, *[1] * 3, *[2] * 3, *[4] * 3, *[8] * 3]
    assert [cost for cost, _ in measured] == sizes[1:]
    assert all(seconds >= 0 for _, seconds in measured)


def test_the_warm_up_counts_cost_as_the_size_function_does() -> None:
    measured, _ = warm_up(lambda batch: [0] * len(batch), manifest(size="x.size * 5"), 2)
    assert [cost for cost, _ in measured] == [10.0] * 3 + [20.0] * 3


def test_without_an_example_there_is_no_warm_up() -> None:
    assert warm_up(raises(ValueError()), manifest(example_input=None), 9) == ([], None)


@pytest.mark.parametrize(
    ("output", "example"),
    [
        (np.zeros((3, 2), "<f4"), ("<f4", (3, 2))),
        (7, ("<i8", ())),
        ("five", ("str", (4,))),
        (["a", None], b'["a",null]'),
        ({"too": "x" * 5000}, None),
    ],
)
def test_the_warm_up_tells_what_the_answer_to_the_example_is_like(output: object, example: object) -> None:
    found = warm_up(lambda batch: [output] * len(batch), manifest(), 1).example
    assert found == example


def test_a_model_that_cannot_take_many_is_measured_at_what_it_can(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for error in (MemoryError, asyncio.CancelledError):

        def predict(batch: Any, error: type[BaseException] = error) -> list[int]:
            if len(batch) > 2:
                raise error
            return [0] * len(batch)

        assert {cost for cost, _ in warm_up(predict, manifest(), 64).measured} == {1, 2}
        assert error.__name__ in capsys.readouterr().err


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
