"""A replica: one loaded model that serves the batches of every query frontend it finds."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from . import inputs
from .artifact import Manifest
from .container import Predict
from .links import Links, Work
from .size import compile_size
from .wire import Buffer, Fault, Reply

WARM_UP_S = 0.5  # for all but the first batch, which may compile, allocate and load
MAX_WARM_UP_BATCH = 128
LEND_S = 1e-3  # a batch that takes longer than this is worth waking the wire thread for


class Replica:
    """Runs one model. `serve` returns when the replica was asked to end and has answered everything."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._predict: Predict | None = None

    def end_on_signals(self) -> None:
        """SIGTERM and SIGINT drain a serving replica, and end a loading one at once."""

        def on_signal(_signum: int, _frame: object) -> None:
            if self._predict is None:
                os._exit(0)
            self._links.drain()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def serve(
        self, predict: Predict, measured: list[tuple[float, float]], warnings: Sequence[str] = ()
    ) -> None:
        """Answer batches. `measured` is what `warm_up` found, `warnings` what its owner should know."""
        self._predict = predict
        self._links.ready(measured, warnings)
        usual_s = 1.0
        while (work := self._links.take()) is not None:
            if usual_s > LEND_S:
                self._links.lend()
            if work.link.closed:  # its frontend is gone, and with it whoever waits for this batch
                self._links.credits.finish(work.link)
                continue
            compute_s, answered = answer(predict, work)
            work.link.send(*reply(work, compute_s, self._links.credits.finish(work.link), answered))
            usual_s += (compute_s - usual_s) / 4


def warm_up(predict: Predict, manifest: Manifest, largest: int) -> list[tuple[float, float]]:
    """Answer the example input, alone and then in batches of up to `largest`; [(cost, seconds), ...].

    Raises what the model raises at the first, or RuntimeError. A model that can take one input but not so
    many says so by failing: what it was measured at counts.
    """
    if manifest.example_input is None:
        return []
    tensor = inputs.example_tensor(manifest.input_type, manifest.example_input)
    dtypes, shapes = [tensor.dtype], [tensor.shape]

    def batch_of(count: int) -> tuple[float, Any]:
        given = inputs.decode(count, dtypes, shapes, bytearray(tensor.data) * count)
        began = time.perf_counter()
        outputs = predict(given)
        return time.perf_counter() - began, outputs

    _, outputs = batch_of(1)
    encoded = encode_outputs(outputs, 1, ())
    fault = encoded if isinstance(encoded, Fault) else encoded.faults.get(0)
    if fault is not None:
        raise RuntimeError(f"The model cannot answer its example input: {fault.message}")
    cost = (
        compile_size(manifest.size)(inputs.decode(1, dtypes, shapes, tensor.data)[0]) if manifest.size else 1
    )
    measured: list[tuple[float, float]] = []
    end = time.perf_counter() + WARM_UP_S
    count = 1
    try:
        while count <= min(largest, MAX_WARM_UP_BATCH):
            for _ in range(3):
                measured.append((count * cost, batch_of(count)[0]))
                if time.perf_counter() > end:
                    return measured
            count *= 2
    except (Exception, SystemExit):
        traceback.print_exc()
    return measured


class Outputs(msgspec.Struct):
    """A batch's outputs as a reply carries them; see `wire.Reply`."""

    body: list[Buffer]
    sizes: list[int]
    tensors: dict[int, tuple[str, tuple[int, ...]]]
    faults: dict[int, Fault]


def answer(predict: Predict, work: Work) -> tuple[float, Outputs | Fault]:
    """Run the model over one batch: the seconds that it took, and what came of it.

    What goes wrong with the model is in the answer, never raised.
    """
    batch = work.batch
    started = time.perf_counter()
    try:
        outputs = predict(inputs.decode(batch.count, batch.dtypes, batch.shapes, work.body))
        compute_s = time.perf_counter() - started
        return compute_s, encode_outputs(outputs, batch.count, batch.raw)
    except (Exception, SystemExit) as error:
        compute_s = time.perf_counter() - started
        traceback.print_exc()
        return compute_s, _model_error(error)


def reply(
    work: Work, compute_s: float, credits: int, answered: Outputs | Fault
) -> tuple[Reply, list[Buffer]]:
    if isinstance(answered, Fault):
        return Reply(work.batch.id, compute_s, credits, [], {}, {}, answered), []
    header = Reply(work.batch.id, compute_s, credits, answered.sizes, answered.tensors, answered.faults, None)
    return header, answered.body


def _model_error(error: BaseException) -> Fault:
    return Fault("model_error", f"The model raised {type(error).__name__}: {error}")


def encode_outputs(outputs: Any, count: int, raw: list[int] | tuple[()]) -> Outputs | Fault:
    """The outputs' JSON texts, or raw tensors for those whose positions are in `raw`.

    An exception in an output's place is that input's fault. NaN and the infinities become null in JSON,
    which has none; bytes become base64.
    """
    if isinstance(outputs, np.ndarray) and outputs.ndim and not raw:
        outputs = outputs.tolist()
    if isinstance(outputs, np.ndarray) and not outputs.ndim:
        outputs = outputs.item()  # one number, and no list of any
    if not isinstance(outputs, list | tuple | np.ndarray):
        return Fault(
            "bad_output",
            f"The model returned a {type(outputs).__name__}. It must return a list with one output for "
            "each input.",
        )
    if len(outputs) != count:
        return Fault(
            "wrong_output_length",
            f"The model returned {len(outputs)} outputs for {count} inputs. It must return one output "
            "for each input, in order.",
        )
    wanted_raw = set(raw)
    body: list[Buffer] = []
    tensors: dict[int, tuple[str, tuple[int, ...]]] = {}
    faults: dict[int, Fault] = {}
    for i, output in enumerate(outputs):
        try:
            if isinstance(output, BaseException):
                faults[i] = _model_error(output)
                body.append(b"")
            elif i in wanted_raw and (tensor := _tensor(output)) is not None:
                body.append(tensor.data)
                tensors[i] = tensor.dtype, tensor.shape
            else:
                body.append(_encode(output))
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            body.append(b"")
            faults[i] = Fault(
                "bad_output",
                f"The model returned a {type(output).__name__} that cannot be written as JSON "
                f"({error}). Return numbers, strings, lists, dicts, numpy arrays or bytes.",
            )
    return Outputs(body, [len(part) for part in body], tensors, faults)


def _tensor(output: Any) -> inputs.Tensor | None:
    """The output without a detour over JSON: a view of the model's own array where it can be. Or None."""
    if isinstance(output, bytes | bytearray):
        return inputs.Tensor(bytes(output), (len(output),), "bytes")
    if isinstance(output, str):
        data = output.encode()
        return inputs.Tensor(data, (len(data),), "str")
    if isinstance(output, bool | int | float | np.generic | np.ndarray):
        found = np.asarray(output)
        if found.dtype.kind in "biuf" and found.dtype.itemsize <= 8:
            found = np.ascontiguousarray(found, found.dtype.newbyteorder("<")).reshape(found.shape)
            view = memoryview(found.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            return inputs.Tensor(view, found.shape, found.dtype.str)
    return None


def _plain(value: object) -> object:
    """What msgspec cannot write itself: numpy's scalars and arrays."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
