"""TensorFlow Serving over gRPC, by bytes that its own client's classes made: `make peers` records them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from clipper_container.errors import TooLarge
from clipper_container.named import Part, dtype_of
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.query.protocols.rpc import Call, Refused
from clipper_server.query.protocols.tensorflow_serving import results, rpc, tensors
from clipper_server.query.protocols.tensorflow_serving.messages import PROTOS, core, serving
from clipper_server.query.protocols.tensorflow_serving.paths import Named
from clipper_server.query.protocols.tensorflow_serving.rpc import TensorFlowServing
from clipper_server.query.request import Request
from clipper_server.query.slices import SMALL, Slices, at_once
from tests.support.serving import application, served

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/tensorflow_serving/messages.json").read_text())
PREDICT, CLASSIFY, REGRESS, METADATA, STATUS = (
    *(f"/tensorflow.serving.PredictionService/{name}" for name in ("Predict", "Classify", "Regress")),
    "/tensorflow.serving.PredictionService/GetModelMetadata",
    "/tensorflow.serving.ModelService/GetModelStatus",
)


class Asked:
    """A model that answers what it is told to, and remembers what it was asked."""

    def __init__(self, input_type: str, outputs: Any = None, **options: Any) -> None:
        self.inputs: list[Any] = []
        versions: dict[str, Any] = dict.fromkeys(options.pop("versions", ("1",)), self)
        self.outputs = outputs
        self.protocol = TensorFlowServing(
            served(application("m", input_type, versions, **options), labels={"m": {"stable": "1"}})
        )
        self.trailing: dict[str, str] = {}

    def __call__(self, given: list[Any]) -> list[Any]:
        self.inputs += given
        if self.outputs is None:
            return [x if not isinstance(x, dict) else 0.0 for x in given]
        return list(self.outputs)[: len(given)]

    def call(self, path: str, data: bytes, left_s: float | None = None, **metadata: str) -> Any:
        """The response, or the status's code and sentence."""

        def keep(trailing: Any) -> None:
            self.trailing = dict(trailing)

        context = SimpleNamespace(
            invocation_metadata=lambda: [(key.replace("_", "-"), value) for key, value in metadata.items()],
            time_remaining=lambda: left_s,
            set_trailing_metadata=keep,
        )
        try:
            found = asyncio.run(self._called(path, data, Call(context)))
        except Refused as error:
            return error.code.name, str(error)
        except TooLarge as error:
            return "too large", str(error)
        return PROTOS.methods[path].gives.FromString(found)

    async def _called(self, path: str, data: bytes, call: Call) -> bytes:
        return await self.protocol.methods[path](data, call)


def request(name: str) -> bytes:
    return bytes.fromhex(GOLDEN["requests"][name]["hex"])


def response(name: str) -> bytes:
    return bytes.fromhex(GOLDEN["responses"][name]["hex"])


def means(name: str, kind: str = "requests") -> Any:
    return GOLDEN[kind][name]["means"]


def plain(values: list[Any]) -> list[Any]:
    """As the recorded meanings are."""
    return [
        [str(x) if isinstance(x, float) and not np.isfinite(x) else x for x in np.asarray(value).tolist()]
        for value in values
    ]


NUMBERS = [
    name
    for name in GOLDEN["requests"]
    if name.startswith("predict ") and "two" not in name and "string" not in name
]


@pytest.mark.parametrize("name", NUMBERS)
def test_tensors_are_what_their_client_meant(name: str) -> None:
    model = Asked("ndarray")
    found = model.call(PREDICT, request(name))
    assert plain(model.inputs) == means(name)
    assert list(found.outputs) == ["output"]
    assert (found.model_spec.name, found.model_spec.version.value) == ("m", 1)
    assert found.model_spec.signature_name == "serving_default"


def test_texts_come_as_they_are() -> None:
    model = Asked("bytes")
    found = model.call(PREDICT, request("predict string"))
    assert [x.hex() for x in model.inputs] == means("predict string")
    assert found.SerializeToString(deterministic=True) == response("predict string")
    assert Asked("strings").call(PREDICT, request("predict string")) == (
        "INVALID_ARGUMENT",
        "The input does not fit: an element is not UTF-8 text",
    )


@pytest.mark.parametrize(
    "kind", [name.removeprefix("predict ") for name in GOLDEN["responses"] if name.startswith("predict ")]
)
def test_answers_are_byte_for_byte_as_its_own(kind: str) -> None:
    """A client that reads `float_val`, and no `tensor_content`, finds numbers there."""
    input_type = "bytes" if kind == "string" else "ndarray"
    found = Asked(input_type).call(PREDICT, request(f"predict {kind}"))
    assert found.SerializeToString(deterministic=True) == response(f"predict {kind}")


@pytest.mark.parametrize(
    ("kind", "input_type"), [("int32", "doubles"), ("float", "doubles"), ("int64", "doubles")]
)
def test_numbers_become_those_that_the_model_takes(kind: str, input_type: str) -> None:
    model = Asked(input_type)
    model.call(PREDICT, request(f"predict {kind}"))
    assert {x.dtype for x in model.inputs} == {np.dtype("f8")}
    assert [x[0] for x in model.inputs] == [float(row[0]) for row in means(f"predict {kind}")]


@pytest.mark.parametrize(
    ("name", "input_type", "says"),
    [
        ("predict float", "integers", "Expects arg[0] to be int32 but float is provided"),
        ("predict bool", "floats", "Expects arg[0] to be float but bool is provided"),
        ("predict float", "strings", "Expects arg[0] to be string but float is provided"),
        ("predict string", "floats", "Tensors of the type 7 are not taken"),
        ("predict int64", "integers", "The input does not fit: a number lies outside INT32"),
        ("predict two inputs", "floats", "Sent extra: {age,city}. Missing but required: {input}."),
    ],
)
def test_what_does_not_fit_is_refused(name: str, input_type: str, says: str) -> None:
    code, sentence = Asked(input_type).call(PREDICT, request(name))
    assert code == "INVALID_ARGUMENT"
    assert says in sentence


def test_columns_are_inputs_of_their_names() -> None:
    model = Asked("dataframe", columns={"age": "float32", "city": "text"}, outputs=[1.5, 2.5])
    found = model.call(PREDICT, request("predict two inputs"))
    assert [dict(row) for row in model.inputs] == [{"age": 1.0, "city": "Rome"}, {"age": 2.0, "city": "Oslo"}]
    assert list(found.outputs["output"].double_val) == [1.5, 2.5]


@pytest.mark.parametrize("path", [CLASSIFY, REGRESS])
def test_examples_are_rows(path: str) -> None:
    name = "classify" if path == CLASSIFY else "regress"
    columns = {"age": "float64", "city": "text", "count": "int64"}
    model = Asked("dataframe", columns=columns, outputs=[42.0])
    model.call(path, request(name))
    assert [dict(row) for row in model.inputs] == [{key: values[0] for key, values in means(name)[0].items()}]
    model = Asked("dataframe", columns={"age": "float64", "city": "text"}, outputs=[42.0, 0.5])
    model.call(path, request(f"{name} with context"))
    assert [(row["age"], row["city"]) for row in model.inputs] == [(3.0, "Rome"), (4.0, "Rome")]


def test_classes_and_values_are_byte_for_byte_as_its_own() -> None:
    columns = {"age": "float64", "city": "text"}
    model = Asked("dataframe", columns=columns, outputs=[{"cat": 0.75, "dog": 0.25}, [["", 1.0]]])
    found = model.call(CLASSIFY, request("classify with context"))
    assert found.SerializeToString(deterministic=True) == response("classify")
    model = Asked("dataframe", columns=columns, outputs=[42.0, -0.5])
    found = model.call(REGRESS, request("regress with context"))
    assert found.SerializeToString(deterministic=True) == response("regress")


def test_metadata_is_what_its_client_reads() -> None:
    model = Asked("floats", example=np.float32(0))
    found = model.call(METADATA, request("metadata"))
    ours, theirs = found.metadata["signature_def"], type(found).FromString(response("metadata"))
    assert found.model_spec == theirs.model_spec
    read = serving.SignatureDefMap.FromString(ours.value)
    assert read == serving.SignatureDefMap.FromString(theirs.metadata["signature_def"].value)
    assert ours.type_url == theirs.metadata["signature_def"].type_url
    asked = serving.GetModelMetadataRequest(model_spec={"name": "m"}, metadata_field=["other"])
    assert model.call(METADATA, asked.SerializeToString())[0] == "INVALID_ARGUMENT"


def test_states_are_what_its_client_reads() -> None:
    model = Asked("floats", versions=("1", "2", "beta"), absent=["2"])
    assert model.call(STATUS, request("status")).SerializeToString() == response("status")


def test_versions_are_found_by_number_and_by_label() -> None:
    model = Asked("floats", versions=("1", "2"), current="2")
    labelled = model.call(PREDICT, request("predict by label"))
    assert labelled.model_spec.version.value == 1
    asked = serving.PredictRequest.FromString(request("predict float"))
    asked.model_spec.ClearField("version")
    assert model.call(PREDICT, asked.SerializeToString()).model_spec.version.value == 2
    asked.model_spec.version.value = 50
    assert model.call(PREDICT, asked.SerializeToString()) == (
        "NOT_FOUND",
        "Servable not found for request: Specific(m, 50)",
    )
    asked.model_spec.version_label = "other"
    assert model.call(PREDICT, asked.SerializeToString()) == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: other",
    )
    asked.model_spec.name = "other"
    assert model.call(PREDICT, asked.SerializeToString())[0] == "NOT_FOUND"
    assert model.call(STATUS, serving.GetModelStatusRequest().SerializeToString())[0] == "INVALID_ARGUMENT"


def test_signatures_and_outputs_have_their_names() -> None:
    model = Asked("floats")
    asked = serving.PredictRequest.FromString(request("predict float"))
    asked.output_filter.append("other")
    code, sentence = model.call(PREDICT, asked.SerializeToString())
    assert (code, "in the set {output}" in sentence) == ("INVALID_ARGUMENT", True)
    asked.model_spec.signature_name = "other"
    assert model.call(PREDICT, asked.SerializeToString()) == (
        "FAILED_PRECONDITION",
        'Serving signature key "other" not found.',
    )


def test_outputs_of_several_names_are_as_many_tensors() -> None:
    outputs = [{"o1": 1.5, "o2": "a"}, {"o1": 2.5, "o2": "b"}]
    found = Asked("doubles", outputs=outputs).call(PREDICT, request("predict double"))
    assert list(found.outputs["o1"].double_val) == [1.5, 2.5]
    assert list(found.outputs["o2"].string_val) == [b"a", b"b"]


def test_default_outputs_have_the_form_of_the_others() -> None:
    outputs = [np.array([0.5, 1.5], "<f4"), Fault("model_error", "It failed.")]
    model = Asked("floats", outputs=outputs, example=np.zeros(2, "<f4"), default=-1)
    found = model.call(PREDICT, request("predict float"))
    assert list(found.outputs["output"].float_val) == [0.5, 1.5, -1.0, -1.0]
    ids = model.trailing.pop("x-clipper-query-id").split(", ")
    assert len(set(ids)) == 2
    assert model.trailing == {"x-default-answer": "model_error", "x-default-rows": "1"}


def test_a_call_s_deadline_and_metadata_count() -> None:
    model = Asked("floats")
    asked: list[Any] = []
    application: Any = model.protocol._models.find(Named("predict", "m")).application
    ask = application.ask

    def keep(request: Request, reply: Any) -> None:
        asked.append(request)
        ask(request, reply)

    application.ask = keep
    model.call(
        PREDICT, request("predict float"), 1.0, x_request_timeout_seconds="0.25", cache_control="no-cache"
    )
    model.call(PREDICT, request("predict float"), 0.1, x_request_timeout_seconds="0.25")
    assert [(each.timeout_s, each.cached) for each in asked] == [(0.25, False), (pytest.approx(0.094), True)]


def test_too_much_is_no_memory() -> None:
    """A few bytes ask for as much as they like: shapes are not believed."""
    model = Asked("floats")
    for dims in ((1 << 40,), (1 << 20, 1 << 20), (-1,), (2, 1 << 62)):
        asked = serving.PredictRequest.FromString(request("predict float"))
        tensor = core.TensorProto(dtype=1, float_val=[1.0])
        for size in dims:
            tensor.tensor_shape.dim.add(size=size)
        asked.inputs["input"].CopyFrom(tensor)
        assert model.call(PREDICT, asked.SerializeToString())[0] in ("INVALID_ARGUMENT", "too large")
    texts = Asked("bytes")
    for size, count in ((1 << 20, 1000), (1, 1 << 40)):
        asked = serving.PredictRequest(model_spec={"name": "m"})
        asked.inputs["input"].CopyFrom(core.TensorProto(dtype=7, string_val=[b"x" * size]))
        asked.inputs["input"].tensor_shape.dim.add(size=count)
        assert texts.call(PREDICT, asked.SerializeToString())[0] in ("INVALID_ARGUMENT", "too large")
    frames = Asked("dataframe", columns={"age": "float64"})
    asked = serving.PredictRequest(model_spec={"name": "m"})
    for i in range(100):
        asked.inputs[f"x{i}"].CopyFrom(core.TensorProto(dtype=2, double_val=[1.0]))
        asked.inputs[f"x{i}"].tensor_shape.dim.add(size=20_000)
    assert frames.call(PREDICT, asked.SerializeToString())[0] in ("INVALID_ARGUMENT", "too large")
    examples = serving.ClassificationRequest(model_spec={"name": "m"})
    listed = examples.input.example_list_with_context
    listed.context.features.feature["x"].bytes_list.value.append(b"x" * (1 << 20))
    for _ in range(1000):
        listed.examples.add()
    assert texts.call(CLASSIFY, examples.SerializeToString())[0] == "too large"
    assert model.call(PREDICT, b"\xff\xff") == (
        "INVALID_ARGUMENT",
        "The message is no PredictRequest",
    )


def asking(**inputs: Any) -> bytes:
    """A call to predict: of each input the proto's fields, and its dimensions."""
    asked = serving.PredictRequest(model_spec={"name": "m"})
    for name, (dims, fields) in inputs.items():
        asked.inputs[name].CopyFrom(core.TensorProto(**fields))
        for size in dims:
            asked.inputs[name].tensor_shape.dim.add(size=size)
    data: bytes = asked.SerializeToString()
    return data


def test_one_value_stands_for_a_mebibyte_at_most() -> None:
    most = 1 << 18
    model = Asked("ndarray")
    model.call(PREDICT, asking(input=((1, most), {"dtype": 1, "float_val": [1.0]})))
    assert [x.sum() for x in model.inputs] == [most]
    for given in ([1.0], []):
        code, sentence = model.call(PREDICT, asking(input=((1, most + 1), {"dtype": 1, "float_val": given})))
        assert code == "INVALID_ARGUMENT"
        assert sentence.endswith(f"its shape {most + 1}: send them all, in tensor_content")
    whole = {"dtype": 1, "tensor_content": bytes(4 * most + 4)}
    assert model.call(PREDICT, asking(input=((1, most + 1), whole))).outputs["output"].dtype == 1
    texts = {"dtype": 7, "string_val": [b"x" * 100]}
    assert "send them all" in Asked("bytes").call(PREDICT, asking(input=((20_000,), texts)))[1]


def test_names_and_counts_are_read_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    values = tensors._values

    def noted(*given: Any) -> Any:
        made.append(given[2])
        return values(*given)

    monkeypatch.setattr(tensors, "_values", noted)
    one = {"dtype": 1, "float_val": [1.0]}
    named = Asked("named", columns={"a": "float32[-1]"}, outputs=[1.0])
    code, sentence = named.call(PREDICT, asking(a=((1, 9), one), b=((1, 9), one)))
    assert (code, "no model here takes the array 'b'" in sentence) == ("INVALID_ARGUMENT", True)
    for kind, name in ((named, "a"), (Asked("ndarray"), "input")):
        assert kind.call(PREDICT, asking(**{name: ((20_001, 1), one)}))[0] == "too large"
    assert made == []


def test_all_tensors_of_a_call_share_its_bytes() -> None:
    one = {"dtype": 1, "float_val": [1.0]}
    size = (1, 1 << 18)
    names = [f"x{i}" for i in range(65)]
    named = Asked("named", columns=dict.fromkeys(names, "float32[-1]"), outputs=[1.0])
    code, sentence = named.call(PREDICT, asking(**dict.fromkeys(names, (size, one))))
    assert code == "INVALID_ARGUMENT"
    assert f"the shape {list(size)} is too large" in sentence


def test_lists_of_texts_have_two_dimensions() -> None:
    lists = [Tensor(text, (len(text),), "json") for text in (b'["a","b"]', b'["c","d"]', b'["e","f"]')]
    found = at_once(rpc._protos(lists))["output"]
    assert [dim.size for dim in found.tensor_shape.dim] == [3, 2]
    assert list(found.string_val) == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_named_outputs_and_json_are_classes_and_numbers() -> None:
    scores = np.array([0.75, 0.25], "<f4").tobytes()
    named = dtype_of([Part("scores", "<f4", 1), Part("classes", "json", 1)])
    both = Tensor(scores + b'["cat","dog"]', (2, 13), named)
    assert results.classes_of(both) == [("cat", 0.75), ("dog", 0.25)]
    by_label = Tensor(scores, (), dtype_of([Part("cat", "<f4", 0), Part("dog", "<f4", 0)]))
    assert results.classes_of(by_label) == [("cat", 0.75), ("dog", 0.25)]
    assert results.classes_of(Tensor(b'[["cat",0.5]]', (13,), "json")) == [("cat", 0.5)]
    assert results.number_of(Tensor(b"[1.5]", (5,), "json")) == 1.5
    assert results.classes_of(Tensor(b"", (0,), "<f4")) == []


@pytest.mark.parametrize("path", [PREDICT, CLASSIFY, REGRESS])
def test_many_answers_are_made_a_little_at_a_time(path: str) -> None:
    many = SMALL + 1
    # Texts among numbers are no one tensor: each of them is written by itself.
    outputs = ["x", *range(1, many)] if path == PREDICT else [i / 2 for i in range(many)]
    model = Asked("doubles", outputs=outputs)
    application: Any = model.protocol._models.find(Named("predict", "m")).application
    added: list[Any] = []

    class Counting(Slices):
        def add(self, work: Any) -> None:
            added.append(sum(1 for _ in work))

    application.parts = SimpleNamespace(slices=Counting(cast(Any, None)))
    if path == PREDICT:
        data = asking(input=((many,), {"dtype": 2, "double_val": [1.0] * many}))
    else:
        examples = serving.ClassificationRequest(model_spec={"name": "m"})
        for _ in range(many):
            example = examples.input.example_list.examples.add()
            example.features.feature["x"].float_list.value.append(1.0)
        data = examples.SerializeToString()
    found = model.call(path, data)
    assert len(added) == 1
    assert added[0] >= many
    if path == PREDICT:
        assert list(found.outputs["output"].string_val) == [b"x", *(b"%d" % i for i in range(1, many))]
    elif path == CLASSIFY:
        assert [each.classes[0].score for each in found.result.classifications] == outputs
    else:
        assert [each.value for each in found.result.regressions] == outputs


def test_an_output_s_scores_become_single_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []
    errstate = np.errstate

    def noted(**which: Any) -> Any:
        entered.append(which)
        return errstate(**which)

    monkeypatch.setattr(np, "errstate", noted)
    given = {"a": 0.1, "b": 10**400, "c": -(10**400), "d": 1e300, "e": 3}
    single = [float(np.float32(0.1)), float("inf"), float("-inf"), float("inf"), 3.0]
    assert results.classes_of(Tensor(json.dumps(given).encode(), (1,), "json")) == [
        *zip(given, single, strict=True)
    ]
    assert len(entered) == 1
