"""A replica: one loaded model that serves the batches of every query frontend it finds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from . import children, faults, wire
from .artifact import Manifest
from .coroutines import is_async
from .links import Links, Work
from .loaders import Predict
from .loaders.python import Function
from .outputs import Outputs, encode_outputs
from .several import OnLoop, end, in_threads, run
from .size import compile_size
from .tensors import decode
from .wire import MAX_BODY, Buffer, Fault, Reply

WARM_UP_S = 0.5  # for all but the first batch, which may compile, allocate and load
MAX_WARM_UP_BATCH = 128
LEND_S = 1e-3  # a batch that takes longer than this is worth waking the wire thread for
STRAY = 10  # exceptions between two batches, before they are the replica's own


class Replica:
    """Runs one model. `serve` returns when the replica was asked to end and has answered everything."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._predict: Predict | None = None
        children.watch()

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Of a model that waits."""
        return asyncio.new_event_loop()

    def end_on_signals(self) -> None:
        """SIGTERM and SIGINT drain a serving replica, and end a loading one at once."""

        def on_signal(_signum: int, _frame: object) -> None:
            if self._predict is None:
                os._exit(0)
            self._links.drain()

        children.handle(signal.SIGTERM, on_signal)
        children.handle(signal.SIGINT, on_signal)

    def serve(self, predict: Predict, warm: Warm, warnings: Sequence[str] = ()) -> None:
        """Answer batches. `warm` is what `warm_up` found, `warnings` what its owner should know."""
        self._predict = predict
        self._links.ready(wire.Ready(warm.measured, list(warnings), warm.example))
        if is_async(predict):
            run(self.loop, OnLoop(self._links, predict, self._finish).run())
            end(self.loop)
            return
        if self._links.concurrency > 1:
            in_threads(self._links, self._take, lambda work: answer(predict, work), self._finish)
            return
        usual_s = 1.0
        while (work := self._take()) is not None:
            if usual_s > LEND_S:
                self._links.lend()
            if work.link.closed:  # its frontend is gone, and with it whoever waits for this batch
                self._links.credits.finish(work.link)
                continue
            compute_s, answered = answer(predict, work)
            self._finish(work, compute_s, answered)
            usual_s += (compute_s - usual_s) / 4

    def _finish(self, work: Work, compute_s: float, answered: Outputs | Fault, partial: bool = False) -> None:
        credits = self._links.credits.finish(work.link)
        work.link.send(*reply(work, compute_s, credits, answered, partial))

    def _take(self) -> Work | None:
        """The next batch. What a model's own timer raises a moment too late is nobody's answer."""
        for _ in range(STRAY):
            try:
                return self._links.take()
            except BaseException as error:
                faults.show(error)
        return self._links.take()


class Warm(NamedTuple):
    """What a warm-up found, as `wire.Ready` has it."""

    measured: list[tuple[float, float]]
    example: tuple[str, tuple[int, ...]] | bytes | None = None


def warm_up(predict: Predict, manifest: Manifest, largest: int) -> Warm:
    """Answer the example input, alone and then in batches of up to `largest`.

    Raises what the model raises at the first, or RuntimeError. A model that can take one input but not so
    many says so by failing: what it was measured at counts.
    """
    if manifest.example_input is None:
        return Warm([])
    tensor = manifest.example_tensor()
    dtypes, shapes = [tensor.dtype], [tensor.shape]

    def batch_of(count: int) -> tuple[float, Any]:
        given = decode(count, dtypes, shapes, bytearray(tensor.data) * count)
        began = time.perf_counter()
        outputs = predict(given)
        took = time.perf_counter() - began
        children.end_if_child()
        return took, outputs

    example_input = decode(1, dtypes, shapes, tensor.data)[0]
    try:
        _, outputs = batch_of(1)
        encoded = encode_outputs(outputs, 1, ())
        fault = encoded if isinstance(encoded, Fault) else encoded.faults.get(0)
        if fault is not None:
            raise RuntimeError(f"The model cannot answer its example input: {fault.message}")
    except BaseException as error:
        children.end_if_child(error)
        if isinstance(predict, Function) and (advice := predict.advice(example_input)):
            error.add_note(advice)
        raise
    cost = compile_size(manifest.size)(example_input) if manifest.size else 1
    example = _form_of(encode_outputs(outputs, 1, (0,)))
    measured: list[tuple[float, float]] = []
    end = time.perf_counter() + WARM_UP_S
    count = 1
    try:
        while count <= min(largest, MAX_WARM_UP_BATCH):
            for _ in range(3):
                measured.append((count * cost, batch_of(count)[0]))
                if time.perf_counter() > end:
                    return Warm(measured, example)
            count *= 2
    except BaseException as error:
        children.end_if_child(error)
        faults.show(error)
    return Warm(measured, example)


def _form_of(encoded: Outputs | Fault) -> tuple[str, tuple[int, ...]] | bytes | None:
    if isinstance(encoded, Fault) or encoded.faults:
        return None
    for dtype, shape, _ in encoded.tensors:
        return dtype, shape
    return bytes(encoded.body[0]) if encoded.sizes[0] <= wire.MAX_EXAMPLE else None


def answer(predict: Predict, work: Work) -> tuple[float, Outputs | Fault]:
    """Run the model over one batch: the seconds that it took, and what came of it.

    What goes wrong with the model is in the answer, never raised.
    """
    batch = work.batch
    started = time.perf_counter()
    try:
        outputs = predict(decode(batch.count, batch.each(), batch.shapes, work.body))
        compute_s = time.perf_counter() - started
        children.end_if_child()
        return compute_s, encode_outputs(outputs, batch.count, batch.raw)
    except BaseException as error:
        compute_s = time.perf_counter() - started
        children.end_if_child(error)
        faults.show(error)
        return compute_s, faults.model_error(error)


def reply(
    work: Work, compute_s: float, credits: int, answered: Outputs | Fault, partial: bool = False
) -> tuple[Reply, list[Buffer]]:
    if not isinstance(answered, Fault) and (size := sum(answered.sizes)) > MAX_BODY:
        answered = faults.bad_output(
            f"The model returned {size >> 20} MiB for {work.batch.count} inputs, and {MAX_BODY >> 20} MiB is "
            "the most that travels at once. Return less, or deploy with batching='off'."
        )
    if isinstance(answered, Fault):
        return Reply(work.batch.id, compute_s, credits, [], [], {}, answered), []
    sizes, tensors, failed = answered.sizes, answered.tensors, answered.faults
    return Reply(work.batch.id, compute_s, credits, sizes, tensors, failed, None, partial), answered.body
