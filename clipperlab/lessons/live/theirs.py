"""Another team's server: an MLServer with a model in it, or a stand-in for it in a thread of the notebook."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from .installed import mlserver_program
from .server import Server

LOADER = """
import pickle

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Loaded(MLModel):
    async def load(self):
        with open("model.pickle", "rb") as file:
            self.model = pickle.load(file)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        said = NumpyCodec.encode_output("output", self.model.predict(rows))
        return InferenceResponse(model_name=self.name, outputs=[said])
"""


class MLServer(Server):
    """Answers at `url` for a model with a `predict(rows)`, by the name `name`. Its `inputs` are described as
    Open Inference's metadata has it.
    """

    signal = "TERM"

    def __init__(self, program: Path, name: str, model: Any, inputs: Sequence[Mapping[str, Any]]) -> None:
        pickled = pickle.dumps(model)
        super().__init__()
        ports = dict(zip(("http_port", "grpc_port", "metrics_port"), _free_ports(3), strict=True))
        self.url = f"http://127.0.0.1:{ports['http_port']}"
        settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
        loaded = {"name": name, "implementation": "loader.Loaded", "inputs": inputs}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        (self.folder / "model-settings.json").write_text(json.dumps(loaded))
        (self.folder / "loader.py").write_text(LOADER)
        (self.folder / "model.pickle").write_bytes(pickled)
        self._begin(
            [program, "start", "."], lambda: _ready(f"{self.url}/v2/models/{name}/ready"), httpx2.HTTPError
        )


class StandIn:
    """An application that is served at `url` by a thread of this process."""

    def __init__(self, app: FastAPI) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """May be called twice."""
        self._server.should_exit = True
        self._thread.join()


def their_server(
    name: str, model: Any, inputs: Sequence[Mapping[str, Any]], *, otherwise: FastAPI
) -> MLServer | StandIn:
    """An MLServer with the model, where there is one on this machine; otherwise the stand-in."""
    program = mlserver_program()
    return StandIn(otherwise) if program is None else MLServer(program, name, model, inputs)


def _ready(url: str) -> None:
    httpx2.get(url, trust_env=False, verify=False).raise_for_status()


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
