"""Large inputs without JSON: an image of 3 x 224 x 224 bytes, over the Open Inference Protocol."""

from __future__ import annotations

import json

import numpy as np

from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import post

from . import report
from .bench import Bench, Outcome, at_least, at_most
from .cluster import cluster, defaults
from .models import averaging

CONNECTIONS = (1, 8, 32)
SHAPE = (3, 224, 224)
IMAGES = 8
SLO_MICROS = 1_000_000


def run(bench: Bench) -> Outcome:
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, SHAPE, dtype=np.uint8) for _ in range(IMAGES)]
    with cluster("image") as conn:
        conn.register_application("image", "ndarray", -1.0, SLO_MICROS)
        deploy_python_closure(conn, "image", 1, "ndarray", averaging(), example_input=images[0])
        conn.link_model_to_app("image", "image")
        url = f"http://{conn.get_query_addr()}/v2/models/image/infer"
        ours = [infer(url, image) for image in images]
        echoed = [infer(bench.echo_url, image) for image in images]
        rows = [bench.against_echo(ours, echoed, url, n) for n in bench.some(CONNECTIONS)]
        unwanted = defaults(conn, "image")
    wrong = sum(row["ours"]["refused"] for row in rows)
    return Outcome(
        f"the mean of {np.prod(SHAPE):,} bytes, sent as they are; the echo sends them back",
        [report.against_echo("closed loop", rows)],
        [
            at_most("default answers, and refusals", unwanted.total() + wrong, 0),
            *(
                at_least(f"rate at {row['connections']}, as a part of the echo's", row["rate_ratio"], 0.5)
                for row in rows
            ),
        ],
        {"rows": rows, "defaults": unwanted},
    )


def infer(url: str, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A request with the image in binary: a JSON header, and the bytes after it."""
    tensor = {
        "name": "input",
        "shape": [1, *image.shape],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": image.nbytes},
    }
    header = json.dumps({"inputs": [tensor]}).encode()
    kind = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(header)),
    }
    return post(url, header + image.tobytes(), kind)
