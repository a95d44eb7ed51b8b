"""Writes tests/golden/torchserve/answers.json, with TorchServe itself.

Runs in the environment of `make peers`, which has it, and imports nothing of ours. There is a model, `echo`,
in the versions 1.0 and 2.0, of which 1.0 is the default; it is asked all of CALLS, in their order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from http.client import HTTPConnection
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden" / "torchserve" / "answers.json"
INFERENCE, MANAGEMENT, METRICS, GRPC = 18080, 18081, 18082, 18083
HANDLER = "def handle(data, context): return data and [str(len(row['body'])) for row in data]"
CALLS = [
    (INFERENCE, "GET", "/ping", ""),
    (INFERENCE, "POST", "/predictions/echo", "four"),
    (INFERENCE, "PUT", "/predictions/echo/2.0", "four"),
    (INFERENCE, "POST", "/models/echo/invoke", "four"),
    (INFERENCE, "POST", "/predictions/x", "1"),
    (INFERENCE, "POST", "/predictions/echo/9", "1"),
    (MANAGEMENT, "GET", "/models/x", ""),
    (MANAGEMENT, "GET", "/models/echo/9", ""),
    (MANAGEMENT, "POST", "/models", ""),
    (MANAGEMENT, "PUT", "/models/echo?min_worker=1", ""),
    (MANAGEMENT, "PUT", "/models/echo?min_worker=1&synchronous=true", ""),
    (MANAGEMENT, "PUT", "/models/echo/2.0?min_worker=1&synchronous=true", ""),
    (MANAGEMENT, "PUT", "/models/echo?min_worker=3&max_worker=2", ""),
    (MANAGEMENT, "PUT", "/models/echo/9?min_worker=1", ""),
    (MANAGEMENT, "PUT", "/models/x?min_worker=1", ""),
    (MANAGEMENT, "PUT", "/models/echo/9/set-default", ""),
    (MANAGEMENT, "DELETE", "/models/echo/9", ""),
    (MANAGEMENT, "DELETE", "/models/x", ""),
    (MANAGEMENT, "DELETE", "/models/echo", ""),
    (MANAGEMENT, "DELETE", "/models/echo/1.0", ""),
    (MANAGEMENT, "PUT", "/models/echo/2.0/set-default", ""),
    (MANAGEMENT, "DELETE", "/models/echo/1.0", ""),
]


def ask(port: int, method: str, path: str, body: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body or None, {"Content-Type": "text/plain"} if body else {})
    response = connection.getresponse()
    return response.status, response.read().decode()


def archive(path: Path, version: str) -> None:
    model = {"modelName": "echo", "modelVersion": version, "handler": "echo.py"}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
        file.writestr("echo.py", HANDLER)


def begin(folder: Path) -> None:
    """Raises OSError where it does not answer within a minute."""
    addresses = {"inference": INFERENCE, "management": MANAGEMENT, "metrics": METRICS}
    lines = [f"{name}_address=http://127.0.0.1:{port}" for name, port in addresses.items()]
    lines += [
        f"grpc_inference_port={GRPC}",
        f"grpc_management_port={GRPC + 1}",
        "default_workers_per_model=1",
    ]
    (folder / "config.properties").write_text("\n".join(lines))
    archive(folder / "one.mar", "1.0")
    archive(folder / "two.mar", "2.0")
    options = ["--disable-token-auth", "--enable-model-api", "--ncs", "--model-store", str(folder)]
    options += ["--models", "echo=one.mar", "--ts-config", str(folder / "config.properties")]
    own = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([own / "torchserve", "--start", *options], cwd=folder, env=environment, check=True)
    for _ in range(60):
        time.sleep(1)
        try:
            if ask(INFERENCE, "GET", "/ping", "")[0] == 200:
                break
        except OSError:
            continue
    ask(MANAGEMENT, "POST", "/models?url=two.mar&initial_workers=1&synchronous=true", "")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            begin(Path(folder))
            answers = [
                {"method": m, "path": p, "body": b, "answer": ask(port, m, p, b)} for port, m, p, b in CALLS
            ]
        finally:
            subprocess.run([Path(sys.executable).parent / "torchserve", "--stop"], cwd=folder, check=True)
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
