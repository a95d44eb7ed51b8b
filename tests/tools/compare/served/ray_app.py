"""The models as Ray Serve's applications: `python -m ....ray_app PORT`, until it is told to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from .models import MODELS
from .settings import BATCH, CORES, WAIT_MS, WORKERS

# A replica reserves a core, of which there are too few, and takes 5 requests at once, which fill no batch.
OPTIONS = {"max_ongoing_requests": 100, "ray_actor_options": {"num_cpus": 0.1}}


@serve.deployment(**OPTIONS)
class Served:
    def __init__(self, name: str) -> None:
        self.model = MODELS[name]()
        if name == "single":
            self.together.set_max_batch_size(1)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_MS / 1e3)
    async def together(self, rows: list[Any]) -> list[float]:
        return await asyncio.to_thread(self.model, rows)

    async def __call__(self, request: Request) -> dict[str, float]:
        return {"output": await self.together((await request.json())["input"])}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=CORES, configure_logging=False)
    http = {"host": "127.0.0.1", "port": int(sys.argv[1])}
    serve.start(http_options=http, logging_config={"enable_access_log": False})
    served: Any = Served  # a deployment, by its decorator
    for name, replicas in WORKERS.items():
        application = served.options(num_replicas=replicas).bind(name)
        serve.run(application, name=name, route_prefix=f"/{name}")
    signal.pause()


if __name__ == "__main__":
    main()
