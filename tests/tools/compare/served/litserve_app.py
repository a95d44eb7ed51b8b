"""The models as LitServe's APIs, each at a path of its own: `python -m ....litserve_app PORT MODEL...`."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from .models import MODELS
from .settings import BATCH, CORES, WAIT_MS, WORKERS


class Api(litserve.LitAPI):
    def __init__(self, name: str, **batching: Any) -> None:
        super().__init__(api_path=f"/{name}", **batching)
        self.name = name

    def setup(self, device: str) -> None:
        self.model = MODELS[self.name]()

    # LitServe makes of annotations what its routes take and return: these have none, as in its documentation.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return request["input"]

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        return {"output": output}


class Single(Api):
    def predict(self, row: Any) -> float:
        return self.model([row])[0]


class Batched(Api):
    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, rows: list[Any]) -> list[float]:
        return self.model(rows)

    def unbatch(self, output: list[float]) -> list[float]:
        return output


def main() -> None:
    batching = {"max_batch_size": BATCH, "batch_timeout": WAIT_MS / 1e3}
    port, *names = sys.argv[1:]
    apis = [Single(name) if name == "single" else Batched(name, **batching) for name in names]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=[WORKERS[name] for name in names])
    quiet = {"generate_client_file": False, "log_level": "warning"}
    server.run(host="127.0.0.1", port=int(port), num_api_servers=CORES, **quiet)


if __name__ == "__main__":
    main()
