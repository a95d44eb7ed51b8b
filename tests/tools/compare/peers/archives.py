"""What TorchServe and multi-model-server have in common: archives, a configuration, a port to manage them."""

from __future__ import annotations

import json
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..peer import SERVED, Place
from ..served.models import MODELS
from ..served.settings import BATCH, BATCHES_SAID, WAIT_MS, WORKERS, WORKERS_SAID

LOG = """<Configuration status="error">
<Appenders><Console name="console"><PatternLayout pattern="%m%n"/></Console></Appenders>
<Loggers><Root level="error"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""
"""Errors only: by default there is a line for each request."""
SETTINGS = f"workers: {WORKERS_SAID}; {BATCHES_SAID}"


def arrange(place: Place, lines: Sequence[str] = ()) -> Sequence[str | Path]:
    """Write what the server finds in its folder, and the options that name it.

    `lines` are more of its configuration.
    """
    for name in MODELS:
        write(place, name, f'from {SERVED}.archived import handler\n\nhandle = handler("{name}")\n')
    addresses = zip(["inference_address", "management_address"], place.ports, strict=False)
    config = [f"{name}=http://127.0.0.1:{port}" for name, port in addresses]
    (place.folder / "config.properties").write_text("\n".join([*config, *lines]) + "\n")
    log = place.folder / "log4j2.xml"
    log.write_text(LOG)
    return ["--start", "--foreground", "--model-store", place.folder, "--log-config", log]


def write(place: Place, name: str, handler: str) -> None:
    """Write the archive of a model; `handler` is the text of a module with a function `handle`."""
    model = {"modelName": name, "modelVersion": "1.0", "handler": "handler.py"}
    with zipfile.ZipFile(place.folder / f"{name}.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
        archive.writestr("handler.py", handler)


def register(place: Place) -> None:
    """Register the models; returns when their workers are there."""
    for name in MODELS:
        load(place, name, WORKERS[name], *(() if name == "single" else (BATCH, WAIT_MS)))


def load(place: Place, name: str, workers: int, batch: int = 1, wait_ms: int = 0) -> None:
    """Register a model; returns when its workers are there."""
    batching = f"batch_size={batch}&max_batch_delay={wait_ms}"
    asked = f"url={name}.mar&initial_workers={workers}&synchronous=true&{batching}"
    url = f"http://127.0.0.1:{place.ports[1]}/models?{asked}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60).close()


def request(model: str, row: Sequence[float]) -> tuple[str, object]:
    return f"/predictions/{model}", {"input": row}
