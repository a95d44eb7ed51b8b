"""Sends random requests to TensorFlow Serving's ports: the most over REST, and some over gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import grpc

from clipper_server.query.protocols.tensorflow_serving.messages import PROTOS
from clipperlab import ClipperConnection

from . import http
from .http import HANG_S, Seen
from .requests import KINDS, ODD, ROW, Sent, broken, sent, value_of

NAME = "tensorflow-serving"
OVER_GRPC = 4  # of so many requests one is
MAY_BE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_METHODS = (*["predict"] * 8, "classify", "regress")
_WHICH = (*[""] * 20, "/versions/1", "/versions/2", "/versions/99999999999999999999", "/labels/a", "/labels/")


def run(count: int, seed: int) -> str:
    """So many, to a cluster of their own. Raises AssertionError where something came of it."""
    return http.on_own_cluster(lambda conn: fuzz(conn, count, seed, http.tell), seed)


def fuzz(conn: ClipperConnection, count: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Seen:
    """`count` requests to applications that are made for it, and the neighbour's beside them."""
    http.prepare(conn)
    at = conn.start_protocol(NAME)
    over_grpc = count // OVER_GRPC
    seen = http.fuzz(conn, count - over_grpc, seed, say, request, at["rest"])
    _over_grpc(at["grpc"], over_grpc, Random(seed), seen)
    conn.stop_protocol(NAME)
    return seen


def request(random: Random) -> Sent:
    """The next one over REST."""
    kind, what = random.choice(KINDS), random.choice(_METHODS)
    body = _predict(random, kind) if what == "predict" else _examples(random, kind)
    if random.random() < 0.1:
        body[random.choice(("signature_name", "instances", "inputs", "examples", "context"))] = random.choice(
            ODD
        )
    path = f"/v1/models/{kind}{random.choice(_WHICH)}:{what}"
    if random.random() < 0.1:
        path = f"/v1/models/{kind}{random.choice(_WHICH)}{random.choice(('', '/metadata'))}"
    return sent(random, path, {}, json.dumps(body).encode())


def _predict(random: Random, kind: str) -> dict[str, Any]:
    rows = [_value(random, kind) for _ in range(random.choice((0, 1, 1, 3, 80)))]
    if random.random() < 0.2:
        rows = [rows[0]] * 3 if rows else rows
    if random.random() < 0.6:
        named = [{"input": row} for row in rows]
        return {"instances": named if random.random() < 0.2 else rows}
    if kind == "dataframe":
        return {"inputs": {name: [value] * len(rows) for name, value in ROW.items()}}
    return {"inputs": {"input": rows} if random.random() < 0.3 else rows}


def _value(random: Random, kind: str) -> Any:
    if random.random() < 0.1:
        return {"b64": random.choice(("AAE=", "", "=", "é", 1))}
    return 1.5 if random.random() < 0.2 else value_of(random, kind)


def _examples(random: Random, kind: str) -> dict[str, Any]:
    def feature() -> Any:
        return random.choice((1, 1.5, "x", [1.5, 2], ["a", {"b64": "AAE="}], True, [], *ODD))

    names = ROW if kind == "dataframe" else ("x",)
    rows = [
        {name: ROW[name] if kind == "dataframe" and random.random() < 0.8 else feature() for name in names}
        for _ in range(random.choice((0, 1, 3)))
    ]
    found: dict[str, Any] = {"examples": rows}
    if random.random() < 0.2:
        found["context"] = {"c": feature()}
    return found


def _over_grpc(address: str, count: int, random: Random, seen: Seen) -> None:
    with grpc.insecure_channel(address) as channel:
        calls = {path: channel.unary_unary(path) for path in PROTOS.methods}
        for _ in range(count):
            path, data = _call(random)
            try:
                calls[path](data, timeout=HANG_S)
                status = grpc.StatusCode.OK
            except grpc.RpcError as error:
                status = error.code()
            seen.sent += 1
            seen.codes[status.name] += 1
            if status not in MAY_BE:
                seen.faults.append(f"{status.name} to {path} {data!r:.2000}")


def _call(random: Random) -> tuple[str, bytes]:
    """A method's path, and a message for it, or something like one."""
    path = random.choice(list(PROTOS.methods))
    message = PROTOS.methods[path].takes()
    kind = random.choice(KINDS)
    message.model_spec.name = kind
    if random.random() < 0.2:
        message.model_spec.version.value = random.choice((1, 2, -1, 2**63 - 1))
    if random.random() < 0.1:
        message.model_spec.version_label = random.choice(("a", "", "é"))
    if path.endswith("/Predict"):
        names = list(ROW) if kind == "dataframe" and random.random() < 0.8 else ["input"]
        for name in names:
            _tensor(random, message.inputs[name])
    elif path.endswith(("/Classify", "/Regress")):
        for _ in range(random.choice((0, 1, 3))):
            features = message.input.example_list.examples.add().features.feature
            for name in ROW if kind == "dataframe" else ("x",):
                features[name].float_list.value.extend([1.5] * random.choice((0, 1, 2)))
    elif path.endswith("Metadata"):
        message.metadata_field.append("signature_def")
    data: bytes = message.SerializeToString()
    return path, broken(random, data) if random.random() < 0.3 else data


def _tensor(random: Random, tensor: Any) -> None:
    tensor.dtype = random.choice((1, 1, 2, 3, 7, 7, 9, 10, 19, 8, 99))
    for size in random.choice(((), (1,), (2,), (2, 1), (2, 2), (0,), (2**40,), (-1,), (2,) * 40)):
        tensor.tensor_shape.dim.add(size=size)
    if random.random() < 0.5:
        tensor.tensor_content = random.randbytes(random.choice((0, 4, 8, 16, 32)))
    else:
        for field, value in (("float_val", 1.5), ("double_val", 1.5), ("int_val", 1), ("string_val", b"x")):
            getattr(tensor, field).extend([value] * random.choice((0, 1, 2, 4)))
