"""What Classify and Regress take: examples, of features that are lists. The context's features are in all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clipper_container.errors import TooLarge

from ...limits import Limits
from . import reading
from .reading import from_base64, is_base64, shown
from .refusals import Refused

_KINDS: dict[type, str] = {
    str: "bytes",
    bytes: "bytes",
    dict: "bytes",
    float: "float",
    int: "int64",
    bool: "int64",
}
_SINGLE = 3.4028234663852886e38  # the largest float of single precision
_WHOLE = 2**63

Example = dict[str, list[Any]]


def of_json(request: Mapping[str, Any], limits: Limits) -> list[Example]:
    """Raises Refused, or TooLarge."""
    context = _example(request["context"]) if "context" in request else {}
    if "examples" not in request:
        raise Refused(
            f"JSON Value: {shown(request)} When method is classify, key 'examples' is expected and was not "
            "found"
        )
    examples = request["examples"]
    if not isinstance(examples, list):
        raise Refused(f"JSON Value: {shown(request)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise Refused(f"JSON Value: {shown(request)} 'examples' value is an empty array")
    _check(len(examples), len(json.dumps(context)), limits)
    return [{**context, **_example(example)} for example in examples]


def _check(count: int, context: int, limits: Limits) -> None:
    """The context travels with each example."""
    limits.check_inputs(count)
    if count * context > limits.body:
        raise TooLarge(
            f"The context has {context} bytes, and goes with each of {count} examples: {limits.body} bytes "
            "are the most. Send them in several requests."
        )


def _example(value: Any) -> Example:
    if not isinstance(value, dict):
        raise Refused(f"Example must be JSON object but got JSON {reading.kind(value)}")
    return {name: _feature(name, each if isinstance(each, list) else [each]) for name, each in value.items()}


def _feature(name: str, values: list[Any]) -> list[Any]:
    first = ""
    found = []
    for value in values:
        kind = _KINDS.get(type(value))
        if kind is None or (isinstance(value, dict) and not is_base64(value)):
            raise Refused(f"Feature: {name} has element with unexpected JSON type: {reading.kind(value)}")
        first = first or kind
        if kind != first:
            raise Refused(f"Unexpected element type in feature: {name} expecting type: {first}")
        if type(value) is int and not -_WHOLE <= value < _WHOLE:
            raise Refused(f"Feature: {name} has uint64 element. Only int64 is supported.")
        if type(value) is float and _SINGLE < abs(value) < float("inf"):
            raise Refused(f"Cannot convert JSON value: {value} to float without loss of precision.")
        found.append(_text(from_base64(value)) if isinstance(value, dict) else value)
    return found


def of_proto(given: Any, limits: Limits) -> list[Example]:
    """Raises Refused, or TooLarge."""
    kind = given.WhichOneof("kind")
    listed = getattr(given, kind) if kind else None
    if listed is None or not listed.examples:
        raise Refused("Input is empty.")
    has_context = kind == "example_list_with_context"
    _check(len(listed.examples), listed.context.ByteSize() if has_context else 0, limits)
    context = _features(listed.context) if has_context else {}
    return [{**context, **_features(example)} for example in listed.examples]


def _features(example: Any) -> Example:
    found: Example = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = list(map(_text, values)) if kind == "bytes_list" else values
    return found


def _text(value: bytes) -> Any:
    """Bytes that are no text are written as JSON of TensorFlow's has them."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return reading.base64_object(value)
