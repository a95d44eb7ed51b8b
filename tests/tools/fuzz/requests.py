"""Requests as nobody should send them, from a seed: what has a good frame, and what has none.

One with a good frame is HTTP, whatever its body and its headers say, and has one answer.
"""

from __future__ import annotations

import gzip
import json
import zlib
from random import Random
from typing import Any, NamedTuple

KINDS = ("integers", "floats", "doubles", "bytes", "strings", "json", "ndarray", "dataframe", "named")
ROW = {"a": 1.5, "t": "AAE=", "n": 7, "x": True}
SET = {**ROW, "a": [1.5, 2.0]}
_DATATYPES = ("BOOL", "UINT8", "INT32", "INT64", "UINT64", "FP16", "FP32", "FP64", "BYTES", "FP65", "", "é")
_GOOD = {"integers": ("INT32", 4), "floats": ("FP32", 4), "doubles": ("FP64", 8), "ndarray": ("UINT8", 1)}
_METHODS = (*["POST"] * 30, "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**70), 10**400),
    *("", "x", "AA==", "\0", "é\u2028", "\ud800", "NaN", [], [[]], [None], {}, {"": 0}, [[1], [1, 2]]),
    *({"dtype": "uint8", "shape": [2], "data": "AAE="}, {"dtype": "f8", "shape": [2**62], "data": ""}),
)
_TOKENS = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b'"\\ud800"',
        b"\0",
        b"null",
    ),
    *(b"[" * 2000, b"{" * 2000, b'{"":' * 500, b"9" * 5000, b",,", b"\r\n\r\n", b"true", b"-", b'"\\u00'),
)
_VALUES = (
    *(
        b"",
        b"0",
        b"-1",
        b"nan",
        b"inf",
        b"1e-9",
        b"0.000001",
        b"99999999999999999999",
        b"x" * 3000,
        b"\xff\xfe",
    ),
    *(
        b"no-cache",
        b"gzip",
        b"deflate",
        b"br",
        b"identity",
        b"chunked",
        b"100-continue",
        b"close",
        b"a, b;q=0",
    ),
)
_HEADERS = (
    *(b"X-Request-Timeout-Seconds", b"Cache-Control", b"Content-Type", b"Content-Encoding", b"Accept"),
    *(
        b"Inference-Header-Content-Length",
        b"Origin",
        b"Cookie",
        b"X-Forwarded-For",
        b"Te",
        b"X",
        b"Expect",
        b"Connection",
    ),
)
_FIELDS = (
    "input",
    "input_batch",
    "version",
    "timeout_micros",
    "inputs",
    "id",
    "parameters",
    "outputs",
    "shape",
)


_EXTENSIONS = (
    *("/v2/repository/index", "/v2/repository/models/{}/load", "/v2/repository/models/{}/unload"),
    *("/v2/models/{}/stats", "/v2/models/{}/versions/1/stats", "/v2/models/stats", "/v2/models/{}/config"),
    *("/v2/systemsharedmemory/status", "/v2/cudasharedmemory/region/{}/register"),
    *("/v2/systemsharedmemory/unregister", "/v1/models", "/v1/models/{}:explain", "/"),
    *("/v2", "/v2/models", "/v2/models/{}", "/v2/models/{}/trace/setting", "/v2/logging"),
)
"""None of which is answered with an error of the server, but for 501."""


class Sent(NamedTuple):
    method: str
    data: bytes
    framed: bool


def request(random: Random) -> Sent:
    """The next one, for the port for queries."""
    kind = random.choice(KINDS)
    chance = random.random()
    if chance < 0.05:  # what is there to look at
        return sent(random, random.choice(_EXTENSIONS).format(kind), {}, b"", "GET")
    if chance < 0.4:
        return sent(random, f"/{kind}/predict", {}, _clippers(random, kind))
    if chance < 0.8:
        return sent(random, f"/v2/models/{kind}/infer", *_open_inference(random, kind))
    if chance < 0.9:
        return sent(random, f"/v1/models/{kind}:predict", {}, _kserves(random, kind))
    return sent(random, random.choice(_EXTENSIONS).format(kind), {}, _change(random))


def sent(
    random: Random, path: str, headers: dict[bytes, bytes], body: bytes, method: str | None = None
) -> Sent:
    """As it goes out: as it is, or not."""
    if random.random() < 0.3:
        body = broken(random, body)
    if random.random() < 0.1:
        headers[b"Content-Encoding"], body = _packed(random, body)
    for _ in range(random.choice((0, 0, 0, 1, 3))):
        headers[random.choice(_HEADERS)] = random.choice(_VALUES)
    method = method or random.choice(_METHODS)
    head = f"{method} {_path(random, path)} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    head += b"".join(b"%b: %b\r\n" % header for header in headers.items())
    if random.random() < 0.15:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunks(random, body)
    else:
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if random.random() < 0.15:
        return Sent(method, broken(random, data), False)
    return Sent(method, data, True)


def _clippers(random: Random, kind: str) -> bytes:
    fields: dict[str, Any] = {"input": value_of(random, kind)}
    if random.random() < 0.3:
        fields = {"input_batch": [value_of(random, kind) for _ in range(random.choice((0, 1, 3, 80)))]}
    if kind == "dataframe" and random.random() < 0.3:
        rows = [ROW] * random.choice((0, 1, 3))
        split = {"columns": list(ROW), "data": [list(row.values()) for row in rows]}
        fields = {"input_batch": random.choice((split, {name: [row[name] for row in rows] for name in ROW}))}
        if random.random() < 0.3:
            fields["input_batch"][random.choice((*ROW, "columns", "data", ""))] = random.choice(ODD)
    if random.random() < 0.1:
        fields[random.choice(_FIELDS)] = random.choice(ODD)
    return json.dumps(fields).encode()


def _kserves(random: Random, kind: str) -> bytes:
    fields: dict[str, Any] = {
        "instances": [value_of(random, kind) for _ in range(random.choice((0, 1, 3, 80)))]
    }
    if random.random() < 0.1:
        fields[random.choice((*_FIELDS, "instances", "signature_name"))] = random.choice(ODD)
    return json.dumps(fields).encode()


def _change(random: Random) -> bytes:
    """Of what Triton calls its repository."""
    name = random.choice(("version", "config", "file:1/model.onnx", "unload_dependents", "ready"))
    value = random.choice(("1", '{"version_policy": {"specific": {"versions": [1]}}}', *ODD))
    return json.dumps(random.choice(({}, {"parameters": {name: value}}, {"ready": value}))).encode()


def value_of(random: Random, kind: str) -> Any:
    if random.random() < 0.03:
        return random.choice(ODD)
    if kind in ("dataframe", "named"):
        row = dict(ROW if kind == "dataframe" else SET)
        if random.random() < 0.3:
            row[random.choice((*ROW, "", "columns"))] = random.choice(ODD)
        return row
    numbers = [random.choice((0, 1, 255, 7)) for _ in range(random.choice((0, 1, 5, 60)))]
    if kind in ("bytes", "strings"):
        return random.choice(("", "AAE=", "aGVsbG8="))
    return {"a": numbers} if kind == "json" else numbers


def _open_inference(random: Random, kind: str) -> tuple[dict[bytes, bytes], bytes]:
    datatype, size = _GOOD.get(kind, ("BYTES", 4))
    if random.random() < 0.1:
        datatype = random.choice(_DATATYPES)
    rows, width = random.choice((0, 1, 2, 80)), random.choice((1, 1, 5)) if datatype != "BYTES" else 1
    tensor: dict[str, Any] = {"name": "x", "shape": [rows, width], "datatype": datatype}
    body: dict[str, Any] = {"inputs": [tensor]}
    if kind in ("dataframe", "named") and random.random() < 0.8:
        one = ROW if kind == "dataframe" else SET
        datatypes = zip(one.items(), ("FP64", "BYTES", "INT64", "BOOL"), strict=True)
        body["inputs"] = [
            {
                "name": name,
                "shape": [rows, len(value)] if isinstance(value, list) else [rows],
                "datatype": known,
                "data": [value] * rows,
            }
            for (name, value), known in datatypes
        ]
        if random.random() < 0.2:
            body["outputs"] = [{"name": random.choice(("output", "size", "first", "no"))}]
        tensor = random.choice(body["inputs"])
        datatype, width = tensor["datatype"], 1
    if random.random() < 0.2:
        random.choice((tensor, body))[random.choice((*_FIELDS, "datatype", "data", "name"))] = random.choice(
            ODD
        )
    if random.random() < 0.3:
        body["parameters"] = {
            random.choice(("binary_data_output", "timeout")): random.choice((True, 1000, *ODD))
        }
    if random.random() < 0.5:
        element = "[1]" if datatype == "BYTES" else random.choice((0, 1, 255))
        tensor.setdefault("data", [element] * (rows * width))
        return {}, json.dumps(body).encode()
    data = bytes(rows * width * (size if random.random() < 0.9 else 3))
    if random.random() < 0.3:
        data = random.randbytes(len(data))
    tensor["parameters"] = {"binary_data_size": len(data)}
    text = json.dumps(body).encode()
    length = (
        len(text)
        if random.random() < 0.9
        else random.choice((0, 1, len(text) - 1, len(text) + len(data) + 1))
    )
    return {b"Inference-Header-Content-Length": b"%d" % length}, text + data


def _packed(random: Random, body: bytes) -> tuple[bytes, bytes]:
    name, data = random.choice(((b"gzip", gzip.compress(body, mtime=0)), (b"deflate", zlib.compress(body))))
    if random.random() < 0.05:
        data = zlib.compress(bytes(1 << 24))
    return name, broken(random, data) if random.random() < 0.3 else data


def _path(random: Random, path: str) -> str:
    change = random.random()
    if change < 0.9:
        return path
    if change < 0.93:
        return f"http://127.0.0.1:1{path}"
    at = random.randrange(len(path))
    odd = random.choice(
        (f"%{ord(path[at]):02x}", "%", "%00", "%ff", "..", "?", "#", "%2e%2e/", "é", "//", "*")
    )
    return (path[:at] + odd + path[at + 1 :]).encode().decode("latin-1")


def _chunks(random: Random, body: bytes) -> bytes:
    parts = []
    while body:
        size = random.randint(1, max(1, len(body)))
        parts.append(b"%x\r\n%b\r\n" % (size, body[:size]))
        body = body[size:]
    return b"".join([*parts, b"0\r\n\r\n"])


def broken(random: Random, data: bytes) -> bytes:
    """With a few bytes changed, left out, repeated or put in."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(found) + 1)
        change = random.randrange(5)
        if change == 0:
            found[at : at + 1] = random.randbytes(1)
        elif change == 1:
            del found[at : at + random.choice((1, 4, 100))]
        elif change == 2:
            found[at:at] = found[at : at + random.choice((1, 20, 300))]
        elif change == 3:
            found[at:at] = random.choice(_TOKENS)
        else:
            found[at:at] = random.choice(_VALUES)
    return bytes(found)
