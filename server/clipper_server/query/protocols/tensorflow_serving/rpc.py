"""TensorFlow Serving over REST and over gRPC, as a frontend speaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.tensors import Tensor

from ...request import Answer, Request, are_small
from ...slices import Steps, at_once
from ...task import Output
from .. import Served
from ..open_inference.outputs import as_tensor, as_texts, by_name, stacked
from ..open_inference.tensors import split
from ..rpc import Call, Method, ask
from ..rpc import Refused as Ended
from . import examples, paths, results, signatures, tensors
from .messages import PROTOS, serving
from .model import Model
from .models import Models
from .paths import Named
from .refusals import FAILED, Refused
from .rest import Routes, Telling
from .signatures import DEFAULT, FIELD, OUTPUT
from .writing import BYTES_SUFFIX

_PREDICTION, _MODELS = PROTOS.services
_T = TypeVar("_T")


def speak(served: Served) -> TensorFlowServing:
    return TensorFlowServing(served)


class TensorFlowServing:
    protos = PROTOS

    def __init__(self, served: Served) -> None:
        self._models = Models(served)
        self.routes = Routes(self._models)
        self.app = Telling(self._models)
        self.methods: dict[str, Method] = {
            f"/{_PREDICTION}/Predict": self._method(serving.PredictRequest, self.predict),
            f"/{_PREDICTION}/Classify": self._method(serving.ClassificationRequest, self.classify),
            f"/{_PREDICTION}/Regress": self._method(serving.RegressionRequest, self.regress),
            f"/{_PREDICTION}/GetModelMetadata": self._method(serving.GetModelMetadataRequest, self.metadata),
            f"/{_MODELS}/GetModelStatus": self._method(serving.GetModelStatusRequest, self.status),
        }

    def configure(self) -> None:
        self._models.configure()
        self.routes.configure()

    @staticmethod
    def _method(kind: Any, answer: Callable[[Any, Call], Any]) -> Method:
        """A method on bytes, of one on messages."""

        async def on_bytes(data: bytes, call: Call) -> bytes:
            try:
                try:
                    asked = kind.FromString(data)
                except DecodeError:
                    raise Refused(f"The message is no {kind.DESCRIPTOR.name}") from None
                response: bytes = (await answer(asked, call)).SerializeToString()
            except Refused as error:
                raise Ended(grpc.StatusCode[error.code], str(error)) from None
            return response

        return on_bytes

    async def predict(self, asked: Any, call: Call) -> Any:
        model, named = self._find(asked.model_spec)
        self._check(asked.model_spec)
        with _Counted(model):
            request = model.request(call.headers, None, model.inputs.of_protos(asked.inputs))
        answers = await self._answers(model, request, call)
        outputs = await _made(model, answers, _protos(_outputs(model, answers, model.default_tensor)))
        return serving.PredictResponse(
            model_spec=self._spec(model, named, answers),
            outputs=signatures.filtered(outputs, asked.output_filter),
        )

    async def classify(self, asked: Any, call: Call) -> Any:
        model, named, answers = await self._of_examples(asked, call)
        found = await _made(model, answers, _each(_outputs(model, answers), _classifications))
        result = serving.ClassificationResult(classifications=found)
        return serving.ClassificationResponse(model_spec=self._spec(model, named, answers), result=result)

    async def regress(self, asked: Any, call: Call) -> Any:
        model, named, answers = await self._of_examples(asked, call)
        found = await _made(model, answers, _each(_outputs(model, answers), _regression))
        result = serving.RegressionResult(regressions=found)
        return serving.RegressionResponse(model_spec=self._spec(model, named, answers), result=result)

    async def metadata(self, asked: Any, _call: Call) -> Any:
        model, named = self._find(asked.model_spec)
        if list(asked.metadata_field) != [FIELD]:
            raise Refused(
                f"Metadata field {', '.join(asked.metadata_field)[:100] or 'of no name'} is not supported: "
                f"ask for {FIELD}"
            )
        response = serving.GetModelMetadataResponse(model_spec=self._spec(model, named, (), signature=""))
        signature = signatures.signature_map(model.described_inputs(), model.described_outputs())
        response.metadata[FIELD].Pack(signature)
        return response

    async def status(self, asked: Any, _call: Call) -> Any:
        found = self._models.states(_named(asked.model_spec, "status"))
        kind = serving.ModelVersionStatus
        return serving.GetModelStatusResponse(
            model_version_status=[
                kind(
                    version=int(version) if paths.is_number(version) else 0,
                    state=kind.State.Value(state),
                    status=serving.StatusProto(),
                )
                for version, state in found
            ]
        )

    async def _of_examples(self, asked: Any, call: Call) -> tuple[Model, Named, list[Answer]]:
        model, named = self._find(asked.model_spec)
        self._check(asked.model_spec)
        with _Counted(model):
            given = examples.of_proto(asked.input, model.limits)
            request = model.request(call.headers, None, model.inputs.of_examples(given))
        return model, named, await self._answers(model, request, call)

    @staticmethod
    async def _answers(model: Model, request: Request, call: Call) -> list[Answer]:
        left_s = call.timeout_s()
        if left_s is not None and (request.timeout_s is None or left_s < request.timeout_s):
            request = request._replace(timeout_s=left_s)
        answers = await ask(model.application, request)
        call.mark_defaults(answers)
        call.mark_ids(answers)
        return answers

    def _find(self, spec: Any) -> tuple[Model, Named]:
        named = _named(spec, "predict")
        return self._models.find(named), named

    @staticmethod
    def _check(spec: Any) -> None:
        if spec.signature_name not in ("", DEFAULT):
            raise Refused(f'Serving signature key "{spec.signature_name}" not found.', FAILED)

    @staticmethod
    def _spec(model: Model, named: Named, answers: Sequence[Answer], signature: str = DEFAULT) -> Any:
        spec = serving.ModelSpec(name=named.model, signature_name=signature)
        version = model.version_of(answers)
        if paths.is_number(version):
            spec.version.value = int(version)
        return spec


class _Counted:
    """Counts what is refused in it."""

    def __init__(self, model: Model) -> None:
        self._metrics = model.application.metrics

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        if isinstance(error, BadRequest | TooLarge):
            self._metrics.bad_requests += 1


def _named(spec: Any, what: str) -> Named:
    if not spec.name:
        raise Refused(
            "Missing ModelSpec name" if what == "status" else "Malformed request: its model has no name"
        )
    version = str(spec.version.value) if spec.HasField("version") else None
    return Named(what, spec.name, version, spec.version_label or None)


def _outputs(model: Model, answers: Sequence[Answer], of: Callable[[], Output] | None = None) -> list[Output]:
    """Of all answers, with what `of` gives for the default output."""
    default = (of or model.default)() if any(answer.output is None for answer in answers) else b""
    return [default if answer.output is None else answer.output for answer in answers]


async def _made(model: Model, answers: Sequence[Answer], work: Steps[_T]) -> _T:
    """What comes of work on these answers: where they are many, a little at a time."""
    return at_once(work) if are_small(answers) else await model.application.parts.slices.result(work)


def _each(values: Iterable[Any], of: Callable[[Any], _T]) -> Steps[list[_T]]:
    found: list[_T] = []
    for value in values:
        found.append(of(value))
        yield
    return found


def _classifications(output: Output) -> Any:
    classes = [serving.Class(label=label, score=score) for label, score in results.classes_of(output)]
    return serving.Classifications(classes=classes)


def _regression(output: Output) -> Any:
    return serving.Regression(value=results.number_of(output))


def _protos(outputs: Sequence[Output]) -> Steps[dict[str, Any]]:
    """A proto of each name that all outputs have, or one of all."""
    if not outputs:
        return {OUTPUT: tensors.proto_of(Tensor(b"", (0,), "<f4"))}
    found = yield from _each(outputs, as_tensor)
    named = yield from by_name(found, [])
    if named:
        protos = {}
        for name, rows in named.items():
            protos[name] = yield from _proto(rows)
        return protos
    are_bytes = all(isinstance(output, Tensor) and output.dtype == "bytes" for output in outputs)
    return {f"{OUTPUT}{BYTES_SUFFIX}" if are_bytes else OUTPUT: (yield from _proto(found))}


def _proto(outputs: list[Tensor]) -> Steps[Any]:
    tensor = stacked(outputs)
    if tensor is not None:
        return tensors.proto_of(tensor)
    texts = yield from as_texts(outputs)
    return tensors.proto_of_strings(list(split(memoryview(texts.data))), texts.shape)
