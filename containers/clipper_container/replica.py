"""A replica: one loaded model that serves the batches of every query frontend it finds.

The model computes on the main thread. The wire has a thread of its own (`links.Links`), so that a
frontend that comes, goes or asks is answered while the model computes.
"""

from __future__ import annotations

import os
import queue
import signal
import time
import traceback
from typing import Any

import msgspec
import numpy as np

from . import inputs
from .links import Links, Work
from .loaders import Predict
from .wire import Fault, Reply


class Replica:
    """Runs one model. `serve` returns when the replica was asked to end and has answered everything."""

    def __init__(self, links: Links, work: queue.SimpleQueue[Work | None]) -> None:
        self._links = links
        self._work = work
        self._predict: Predict | None = None

    def end_on_signals(self) -> None:
        """SIGTERM and SIGINT drain a serving replica, and end a loading one at once."""

        def on_signal(_signum: int, _frame: object) -> None:
            if self._predict is None:
                os._exit(0)
            self._links.drain()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def warm_up(self, predict: Predict, input_type: str, example: object) -> None:
        """Answer the artifact's example input. Raises what the model raises, or RuntimeError."""
        tensor = inputs.example_tensor(input_type, example)
        dtype = inputs.INPUT_TYPES[input_type].dtype
        body = bytearray(tensor.data)
        outputs = predict(inputs.decode(dtype, 1, [tensor.shape], body))
        encoded = encode_outputs(outputs, 1)
        fault = encoded if isinstance(encoded, Fault) else encoded[1].get(0)
        if fault is not None:
            raise RuntimeError(f"The model cannot answer its example input: {fault.message}")

    def serve(self, predict: Predict) -> None:
        self._predict = predict
        self._links.ready()
        while (work := self._work.get()) is not None:
            if work.link.closed:
                continue  # its frontend is gone, and with it whoever waits for this batch
            reply, body = answer(predict, work)
            work.link.send(reply, body)


def answer(predict: Predict, work: Work) -> tuple[Reply, list[bytes]]:
    """Run the model over one batch. What goes wrong with the model is in the reply, never raised."""
    batch = work.batch
    started = time.perf_counter()
    encoded: tuple[list[bytes], dict[int, Fault]] | Fault
    try:
        outputs = predict(inputs.decode(batch.dtype, batch.count, batch.shapes, work.body))
        compute_s = time.perf_counter() - started
        encoded = encode_outputs(outputs, batch.count)
    except (Exception, SystemExit) as error:
        compute_s = time.perf_counter() - started
        traceback.print_exc()
        encoded = Fault("model_error", f"The model raised {type(error).__name__}: {error}")
    if isinstance(encoded, Fault):
        return Reply(batch.id, compute_s, 1, [], {}, encoded), []
    texts, faults = encoded
    return Reply(batch.id, compute_s, 1, [len(t) for t in texts], faults, None), texts


def encode_outputs(outputs: Any, count: int) -> tuple[list[bytes], dict[int, Fault]] | Fault:
    """The outputs' JSON texts, with a fault and an empty text where one cannot be told in JSON.

    NaN and the infinities become null, for JSON has none; bytes become base64.
    """
    if isinstance(outputs, np.ndarray):
        outputs = outputs.tolist() if outputs.ndim else outputs
    if not isinstance(outputs, list | tuple):
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
    texts: list[bytes] = []
    faults: dict[int, Fault] = {}
    for i, output in enumerate(outputs):
        try:
            texts.append(_encode(output))
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            texts.append(b"")
            faults[i] = Fault(
                "bad_output",
                f"The model returned a {type(output).__name__} that cannot be written as JSON "
                f"({error}). Return numbers, strings, lists, dicts, numpy arrays or bytes.",
            )
    return texts, faults


def _plain(value: object) -> object:
    """What msgspec cannot write itself: numpy's scalars and arrays."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
