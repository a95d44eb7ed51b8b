"""Protocols beside Clipper's: what one costs that is on and idle, and what a query by it costs."""

from __future__ import annotations

import json
import time
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import psutil
from rich.table import Table

from clipper_server.query.protocols.open_inference.messages import messages
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import post, predict

from . import calls, report, wrk
from .bench import Bench, Outcome, Target, at_least, at_most, ratio
from .cluster import cluster, defaults
from .idle import SETTLE_S, cpu_s
from .models import by_value
from .noop import INPUT, serve

GRPC = "open-inference-grpc"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SHAPE = (224, 224, 3)
CLIENTS = (1, 8, 32)
CONNECTIONS = 32
ROWS = (1, 100)
PATHS = {
    "tensorflow-serving": "/v1/models/noop:predict",
    "sagemaker": "/endpoints/noop/invocations",
    "azureml": "/score",
    "torchserve": "/predictions/noop",
}
"""By which those with ports of their own are asked."""
IDLE_S = 10
SLO_MICROS = 1_000_000
Part = tuple[list[Table], list[Target], dict[str, Any]]


def run(bench: Bench) -> Outcome:
    parts = [_idle(bench), _images(bench), _rows(bench)]
    return Outcome(
        "Other systems' protocols: over gRPC, and as JSON",
        [table for tables, _, _ in parts for table in tables],
        [target for _, targets, _ in parts for target in targets],
        {name: part[2] for name, part in zip(("idle", "images", "rows"), parts, strict=True)},
    )


def _idle(bench: Bench) -> Part:
    """The frontend without it, with it, and after its first query by it."""
    with cluster("protocols") as conn:
        _serve_images(conn)
        frontend = psutil.Process(conn.status()["frontends"][0]["pid"])
        found = {"off": _at_rest(bench, frontend)}
        address = conn.start_protocol(GRPC)["grpc"]
        found["on"] = _at_rest(bench, frontend)
        calls.measure(_image(), address, INFER, clients=1, seconds=1)
        found["after queries"] = _at_rest(bench, frontend)
    more = {key: found["on"][key] - found["off"][key] for key in found["on"]}
    columns = ["the protocol is", "% of a core", "RSS in MB"]
    rows = [[name, one["core_percent"], one["rss_mb"]] for name, one in found.items()]
    return (
        [report.table(f"a query frontend with nothing to do, {GRPC}", columns, rows)],
        [
            at_most("% of a core, of one that is on and idle", more["core_percent"], 0.3),
            at_most("MB, of one that is on and idle", more["rss_mb"], 45),
        ],
        found,
    )


def _at_rest(bench: Bench, process: psutil.Process) -> dict[str, float]:
    time.sleep(SETTLE_S)
    used_s, began = cpu_s(process), time.monotonic()
    time.sleep(bench.lasting(IDLE_S))
    share = (cpu_s(process) - used_s) / (time.monotonic() - began)
    return {"core_percent": 100 * share, "rss_mb": process.memory_info().rss / 1e6}


def _images(bench: Bench) -> Part:
    """An image as bytes, and a label back; the echo sends the image back."""
    request = _image()
    rows = []
    with cluster("protocols") as conn, calls.echoing() as echo:
        _serve_images(conn)
        address = conn.start_protocol(GRPC)["grpc"]
        calls.measure(request, address, INFER, clients=8, seconds=bench.warm_s)
        for clients in bench.some(CLIENTS):

            def closed_loop(where: str, clients: int = clients) -> wrk.Measured:
                return calls.measure(request, where, INFER, clients=clients, seconds=bench.seconds)

            row = bench.take_turns({"echo": lambda: closed_loop(echo), "ours": lambda: closed_loop(address)})
            rows.append(
                {
                    "connections": clients,
                    **row,
                    "rate_ratio": ratio(row["ours"]["rate"], row["echo"]["rate"]),
                    "p50_ratio": ratio(row["ours"]["p50_ms"], row["echo"]["p50_ms"]),
                }
            )
        unwanted = defaults(conn, "image")
    wrong = sum(row["ours"]["unanswered"] for row in rows)
    return (
        [report.against_echo(f"gRPC: an image of {np.prod(SHAPE):,} bytes, and a bare grpc.aio echo", rows)],
        [
            at_most("gRPC: default answers, and errors", unwanted.total() + wrong, 0),
            at_most("gRPC, 1 client: p50, in times of the echo's", rows[0]["p50_ratio"], 3),
            *(
                at_least(f"gRPC, {row['connections']} clients: of the echo's rate", row["rate_ratio"], 0.6)
                for row in rows[1:]
            ),
        ],
        {"rows": rows, "defaults": unwanted},
    )


def _rows(bench: Bench) -> Part:
    """Rows of ten doubles as JSON, by Clipper's own protocol and by the others."""
    found: list[dict[str, Any]] = []
    with cluster("protocols") as conn:
        own = serve(conn)
        frontend = psutil.Process(conn.status()["frontends"][0]["pid"])
        urls = {
            "clipper": own,
            "open-inference": f"http://{conn.get_query_addr()}/v2/models/noop/infer",
            **{name: f"http://{conn.start_protocol(name)['rest']}{path}" for name, path in PATHS.items()},
        }
        for count in bench.some(ROWS):
            rows = [INPUT] * count
            requests = {
                "clipper": predict(own, INPUT) if count == 1 else _posted(own, {"input_batch": rows}),
                "open-inference": _posted(urls["open-inference"], {"inputs": [_tensor(rows)]}),
                "tensorflow-serving": _posted(urls["tensorflow-serving"], {"instances": rows}),
                "sagemaker": _posted(urls["sagemaker"], {"instances": rows}),
                "azureml": _posted(urls["azureml"], {"data": rows}),
            }
            if count == 1:
                requests["torchserve"] = _posted(urls["torchserve"], INPUT)

            used: dict[str, list[float]] = {name: [] for name in requests}

            def closed_loop(
                name: str, requests: dict[str, bytes] = requests, used: dict[str, list[float]] = used
            ) -> wrk.Measured:
                before = cpu_s(frontend)
                measured = wrk.measure(
                    [requests[name]], urls[name], connections=CONNECTIONS, seconds=bench.seconds, look=False
                )
                used[name].append(1e6 * (cpu_s(frontend) - before) / max(measured.answers, 1))
                return measured

            row = bench.take_turns({name: partial(closed_loop, name) for name in requests})
            for name, side in row.items():
                side["frontend_micros"] = median(used[name])
            found.append({"rows": count, "sides": row})
        unwanted = defaults(conn, "noop")
    compared = [
        (each["rows"], name, side, ratio(side["rate"], each["sides"]["clipper"]["rate"]))
        for each in found
        for name, side in each["sides"].items()
    ]
    wrong = sum(side["refused"] for _, _, side, _ in compared)
    columns = ["rows of 10 doubles", "protocol", "requests /s", "ratio", "frontend µs", "refused"]
    cells = [
        [count, name, side["rate"], part, side["frontend_micros"], side["refused"]]
        for count, name, side, part in compared
    ]
    return (
        [report.table(f"JSON, {CONNECTIONS} connections", columns, cells)],
        [
            at_most("JSON: default answers, and refusals", unwanted.total() + wrong, 0),
            *(
                at_least(f"JSON, {count} rows: {name}, of Clipper's rate", part, 0.9)
                for count, name, _, part in compared
                if name != "clipper"
            ),
        ],
        {"rows": found, "defaults": unwanted},
    )


def _serve_images(conn: ClipperConnection) -> None:
    def labels(images: Any) -> list[int]:
        return [int(image[0, 0, 0]) for image in images]

    conn.register_application("image", "ndarray", -1, SLO_MICROS)
    example = np.zeros(SHAPE, dtype=np.uint8)
    deploy_python_closure(conn, "image", 1, "ndarray", by_value(labels), example_input=example)
    conn.link_model_to_app("image", "image")


def _image() -> bytes:
    """A ModelInferRequest with one."""
    image = np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8)
    request = messages.ModelInferRequest(model_name="image", raw_input_contents=[image.tobytes()])
    request.inputs.add(name="input", datatype="UINT8", shape=[1, *SHAPE])
    data: bytes = request.SerializeToString()
    return data


def _tensor(rows: list[list[float]]) -> dict[str, Any]:
    return {"name": "input", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": rows}


def _posted(url: str, value: object) -> bytes:
    return post(url, json.dumps(value).encode())
