"""How other systems' servers are asked: what a batch looks like there, and what their answer says.

Each form is written from its system's own description of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np

from ..articles import type_of
from ..plain import as_json
from .address import Address
from .connections import Answered, Request

JSON, CSV = "application/json", "text/csv"
Get = Callable[[str], Awaitable[Answered]]


class Unread(Exception):
    """The answer is none that the protocol has."""


class Refused(Exception):
    """The server says that there is no such model, or that it is nothing for us."""

    def __init__(self, answered: Answered) -> None:
        super().__init__(answered.status)
        self.answered = answered


class Form:
    """A protocol. One request has a batch."""

    path = ""
    """Where the URL has none."""
    ends_with = ""
    """What a URL is to end with, and is added where it does not."""
    example = ""
    """Of a path, where the URL has to have one."""

    def __init__(self, address: Address) -> None:
        path = address.path or self.path
        self._path = path if path.endswith(self.ends_with) else path + self.ends_with

    async def learn(self, get: Get) -> None:
        """What the server tells of the model, before it is first asked. Raises Refused."""

    def one_by_one(self, inputs: Any) -> bool:
        """Whether there is to be one request for each input: then `write` and `read` get one."""
        return False

    def write(self, inputs: Any) -> Request:
        raise NotImplementedError

    def read(self, answered: Answered, count: int) -> Any:
        """The outputs. Raises Unread."""
        raise NotImplementedError

    def of_input(self, answered: Answered) -> bool:
        """Whether an error that looks as if the server were down may be an input's."""
        return False

    def _post(self, body: bytes, kind: str = JSON, **headers: str) -> Request:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Request("POST", self._path, {"Content-Type": kind, "Accept": JSON, **named}, body)


class TensorFlowServing(Form):
    """TensorFlow Serving's REST in rows: `instances` and `predictions`."""

    ends_with = ":predict"
    example = "/v1/models/m"

    def write(self, inputs: Any) -> Request:
        if is_frame(inputs):
            rows = records(inputs)
        elif isinstance(inputs, list) and isinstance(inputs[0], bytes):
            rows = [{"b64": base64.b64encode(each).decode()} for each in inputs]
        else:
            rows = listed(inputs)
        if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
            return self._post(json.dumps({"instances": rows}).encode())  # which has NaN, as it takes it
        return self._post(as_json({"instances": rows}))

    def read(self, answered: Answered, count: int) -> Any:
        return found(answered, "predictions")


class MLflow(Form):
    """MLflow's scoring server: `inputs`, or `dataframe_split`, and `predictions`."""

    path = "/invocations"

    def write(self, inputs: Any) -> Request:
        if is_frame(inputs):
            split = {"columns": [str(name) for name in inputs.columns], "data": rows_of(inputs)}
            return self._post(as_json({"dataframe_split": split}))
        return self._post(as_json({"inputs": listed(inputs)}))

    def read(self, answered: Answered, count: int) -> Any:
        return found(answered, "predictions")


class AzureML(Form):
    """Azure ML's inference server: `data`, and a list, or its text in JSON."""

    path = "/score"

    def write(self, inputs: Any) -> Request:
        return self._post(as_json({"data": records(inputs) if is_frame(inputs) else listed(inputs)}))

    def read(self, answered: Answered, count: int) -> Any:
        return found(answered, "result", "predictions")


class SageMaker(Form):
    """A container of SageMaker's: a list in JSON; or lines, for those that take CSV alone."""

    path = "/invocations"
    kind = JSON

    def write(self, inputs: Any) -> Request:
        return self._post(as_json(rows_of(inputs) if is_frame(inputs) else listed(inputs)))

    def read(self, answered: Answered, count: int) -> Any:
        if answered.headers.get("content-type", "").startswith(CSV):
            return _from_csv(answered.body)
        return found(answered, "predictions", "result")


class SageMakerCSV(SageMaker):
    def write(self, inputs: Any) -> Request:
        rows = rows_of(inputs) if is_frame(inputs) else listed(inputs)
        lines = [",".join(map(_cell, row if isinstance(row, list) else [row])) for row in rows]
        return self._post("\n".join(lines).encode(), CSV, Accept=f"{CSV}, {JSON};q=0.9")


class TorchServe(Form):
    """TorchServe's predictions: each input is a request, which its server puts into batches."""

    example = "/predictions/m"

    def one_by_one(self, inputs: Any) -> bool:
        return True

    def write(self, inputs: Any) -> Request:
        (one,) = records(inputs) if is_frame(inputs) else inputs
        if isinstance(one, bytes):
            return self._post(one, "application/octet-stream", Accept="*/*")
        if isinstance(one, str):
            return self._post(one.encode(), "text/plain; charset=utf-8", Accept="*/*")
        return self._post(as_json(one), Accept="*/*")

    def read(self, answered: Answered, count: int) -> Any:
        if answered.headers.get("content-type", "").startswith("application/octet-stream"):
            return [answered.body]
        try:
            return [decoded(answered)]
        except Unread:
            return [answered.body.decode("utf-8", "replace")]

    def of_input(self, answered: Answered) -> bool:
        return b"InternalServerException" in answered.body  # what its handlers raise has the status 503


def is_frame(inputs: Any) -> bool:
    return hasattr(inputs, "to_dict")


def records(frame: Any) -> list[Any]:
    rows: list[Any] = frame.to_dict("records")
    return rows


def rows_of(frame: Any) -> list[Any]:
    rows: list[Any] = frame.to_dict("split")["data"]
    return rows


def listed(inputs: Any) -> list[Any]:
    """As JSON has them; bytes in base64."""
    if isinstance(inputs, np.ndarray):
        return list(inputs.tolist())
    return [_plain(each) for each in inputs]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def decoded(answered: Answered) -> Any:
    """What its JSON says. Raises Unread."""
    try:
        return msgspec.json.decode(answered.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            return json.loads(answered.body)  # which knows NaN
        except (ValueError, RecursionError) as error:
            raise Unread(f"what is no JSON: {error}") from None


def found(answered: Answered, *names: str) -> list[Any]:
    """The list in it, which is all of it, or has one of these names. Raises Unread."""
    value = decoded(answered)
    if isinstance(value, str):  # a text that is JSON itself
        value = decoded(answered._replace(body=value.encode()))
    if isinstance(value, dict):
        value = next((value[name] for name in names if name in value), value)
    if not isinstance(value, list):
        raise Unread(f"no list of {names[0]}")
    return value


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, str | bytes | list | dict):
        raise ValueError(f"{type_of(value)} is no value of a column in CSV")
    return repr(value)


def _from_csv(body: bytes) -> list[Any]:
    rows = [[_value(cell) for cell in line.split(",")] for line in body.decode("utf-8", "replace").split()]
    if len(rows) == 1 and len(rows[0]) > 1:
        return list(rows[0])  # some containers answer all rows on one line
    return [row[0] if len(row) == 1 else row for row in rows]


def _value(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell
