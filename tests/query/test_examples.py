"""What is known of a model's outputs is known to all protocols, whichever of them it was asked by."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from clipper_container.inputs import INPUT_TYPES
from clipper_container.tensors import Tensor, array_tensor
from clipper_container.wire import MAX_EXAMPLE, Fault
from clipper_server.query.configuration import Configuration
from clipper_server.query.examples import default_like, learned, of_default
from clipper_server.query.limits import DEFAULT
from clipper_server.query.protocols.open_inference import OpenInferenceProtocol
from clipper_server.query.protocols.open_inference.bodies import Form
from clipper_server.query.protocols.tensorflow_serving.model import Model
from clipper_server.query.request import Answer, Request
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec

pytestmark = pytest.mark.anyio
DOUBLES = INPUT_TYPES["doubles"]


class World:
    """The application "app" of the model "m", which answers what it is `told` to."""

    def __init__(self, default: object) -> None:
        self.configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        spec = ApplicationSpec("app", "doubles", default, 20_000_000, ["m"])
        self.configuration.apply(Snapshot(1, [spec], [version_spec()], {"m": "1"}))
        queue = self.configuration.queue("m", "1")
        assert queue is not None
        self.queue = queue
        self.told: Any = array_tensor(np.array([1, 2], "<f4"))
        FakeReplica(queue, 0.0, answer=lambda inputs: [self.told for _ in inputs])

    async def ask(self, protocol: str, count: int = 1) -> None:
        tensors = [DOUBLES.encode([1.0])] * count
        request = Request(protocol, tensors, None, None, True, protocol != "clipper")
        await self.configuration.applications["app"].answers(request)

    def tells(self) -> tuple[Any, Any]:
        """What Open Inference and TensorFlow Serving tell of its outputs."""
        application = self.configuration.applications["app"]
        over_tensorflow = Model(application, None, DEFAULT).described_outputs()
        of_version = OpenInferenceProtocol(application, "1").described_outputs()
        assert OpenInferenceProtocol(application, None).described_outputs() == of_version
        return of_version["output"], tuple(over_tensorflow["output"])


@pytest.mark.parametrize(
    ("default", "told"),
    [
        ("-1.0", (("FP64", [-1]), ("<f8", [-1]))),
        (-1, (("INT64", [-1]), ("<i8", [-1]))),
        ("none", (("BYTES", [-1]), ("string", [-1]))),
    ],
)
async def test_before_any_answer_the_default_output_tells(default: object, told: Any) -> None:
    assert World(default).tells() == told


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("protocol", ["clipper", "open-inference", "tensorflow-serving", "torchserve"])
async def test_an_answer_by_any_protocol_tells_all(protocol: str, count: int) -> None:
    world = World("-1.0")
    await world.ask(protocol, count)
    assert world.tells() == (("FP32", [-1, 2]), ("<f4", [-1, 2]))
    world.told = array_tensor(np.int64(3))
    await world.ask(protocol, count)
    assert world.tells() == (("INT64", [-1]), ("<i8", [-1]))
    world.told = Fault("model_error", "It cannot.")
    await world.ask(protocol, count)
    assert world.tells() == (("INT64", [-1]), ("<i8", [-1]))
    world.queue.example = "<f8", (4,)
    world.told = array_tensor(np.int64(3))
    await world.ask(protocol, count)
    assert world.tells() == (("FP64", [-1, 4]), ("<f8", [-1, 4]))  # which is what it promised


def test_a_tensor_tells_more_than_a_text() -> None:
    tensor, known = Tensor(b"1234", (1,), "<f4"), ("<f4", (1,))
    assert learned(tensor, b"1.0") == known
    assert learned(b"1.0", known) == known
    assert learned(b"1.0", b"2.0") == learned(b"1.0", None) == b"1.0"
    assert learned(Fault("model_error", ""), b"1.0") == b"1.0"
    assert learned(b"x" * (MAX_EXAMPLE + 1), None) is None


@pytest.mark.parametrize(
    ("default", "example", "found"),
    [
        (b'"-1.0"', None, b"-1.0"),
        (b'"-1.0"', ("<f4", ()), b"-1.0"),
        (b'"-1.0"', b"0.5", b"-1.0"),
        (b'"-1.0"', b"[0.5]", b"-1.0"),
        (b'"-1.0"', ("str", (3,)), b'"-1.0"'),
        (b'"-1.0"', b'"a"', b'"-1.0"'),
        (b'"-1.0"', b'{"a": 1}', b'"-1.0"'),
        (b'"none"', ("<f4", ()), b'"none"'),
        (b"7", ("str", (3,)), b"7"),
    ],
)
def test_a_default_output_is_a_number_where_outputs_are(default: bytes, example: Any, found: bytes) -> None:
    assert default_like(default, example) == found


async def test_a_default_output_that_is_a_text_is_of_the_others_type() -> None:
    """In one tensor with them, by both protocols."""
    world = World("-1.0")
    world.queue.example = "<f4", ()
    application = world.configuration.applications["app"]
    late = Fault("deadline", "It came too late.")
    answers = [Answer(1, array_tensor(np.float32(0.5)), None, "1"), Answer(2, None, late, "1")]
    protocol = OpenInferenceProtocol(application, None)
    request = Request("open-inference", [], None, None, True, True, Form(None, [], False))
    (output,) = msgspec.json.decode(protocol.encode(request, answers).body)["outputs"]
    assert (output["datatype"], output["data"]) == ("FP64", [0.5, -1.0])
    model = Model(application, None, DEFAULT)
    assert (model.default(), model.default_tensor()) == (b"-1.0", array_tensor(np.float32(-1.0)))


@pytest.mark.parametrize(
    ("output", "like"),
    [
        (b'"-1.0"', b"-1.0"),
        (b'"7"', b"7"),
        (b'" 7"', b" 7"),
        (b'"[7]"', b'"[7]"'),
        (b'"NaN"', b'"NaN"'),
        (b'""', b'""'),
        (b"[1.0]", b"[1.0]"),
    ],
)
def test_a_text_that_is_a_number_counts_as_that_number(output: bytes, like: bytes) -> None:
    assert of_default(output) == like
