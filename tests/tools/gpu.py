"""A GPU at work, in under five minutes, or what a machine without one lacks: `python -m tests.tools.gpu`.

A torch model is deployed on CUDA by the process manager. What is looked at: that it computes there, that
the first answer after the deploy is as quick as the next ones (the warm-up), how large `learned` batches
get as the rate grows and what that does to latencies, beside batches that are off, and that all memory is
free again in the end. Exits with 1 where a promise was broken. `--device cpu` tries the script itself, and
shows nothing of a GPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.pytorch import deploy_pytorch_model
from tests.support.home import own_home
from tests.support.waiting import wait_for

OBJECTIVE_MICROS = 50_000
FEATURES = 64
RATES = (100, 400, 1600)  # inputs a second
SECONDS = 5.0  # a load
TAKES_S = 300.0  # at most, all of it
SPARE_MIB = 64  # what a driver may keep for itself


def lacks(device: str) -> list[str]:
    """What this machine has to be given before there is something to see, a sentence each."""
    missing = []
    if importlib.util.find_spec("torch") is None:
        missing.append("PyTorch: pip install 'clipperlab[torch]'.")
    if device == "cpu":
        return missing
    if shutil.which("nvidia-smi") is None:
        missing.append("An NVIDIA GPU with its driver: there is no nvidia-smi.")
    elif subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode:
        missing.append("A GPU that the driver sees: `nvidia-smi -L` fails.")
    elif not missing:
        import torch

        if not torch.cuda.is_available():
            missing.append(f"A PyTorch with CUDA that fits the driver: this is {torch.__version__}.")
    return missing


def network(width: int, layers: int) -> Any:
    import torch

    hidden = [part for _ in range(layers) for part in (torch.nn.Linear(width, width), torch.nn.ReLU())]
    return torch.nn.Sequential(torch.nn.Linear(FEATURES, width), *hidden, torch.nn.Linear(width, 10))


def where_and_what(model: Any, inputs: Any) -> list[Any]:
    """The device that computed it, and the most likely class."""
    import torch

    device = next(model.parameters()).device
    batch = torch.as_tensor(inputs, dtype=torch.float32).to(device)
    return [[device.type, int(row.argmax())] for row in model(batch)]


where_and_what.__module__ = "__main__"  # so that it travels by value


def used_mib() -> int:
    """Memory in use on all GPUs; 0 where there is none."""
    if shutil.which("nvidia-smi") is None:
        return 0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return sum(int(line) for line in subprocess.check_output(query, text=True).split())


class Trial:
    """`broken` collects the promises that did not hold."""

    def __init__(self, conn: ClipperConnection, device: str, say: Console) -> None:
        self.conn = conn
        self.device = device
        self.say = say
        self.example = [0.5] * FEATURES
        self.broken: list[str] = []

    def run(self) -> None:
        before = used_mib()
        self.conn.register_application("net", "doubles", "late", OBJECTIVE_MICROS)
        self._deploy(1, "learned")
        self.conn.link_model_to_app("net", "net")
        self._first_answers()
        self._loads()
        self.conn.stop_models(["net"])
        if self.device == "cuda":
            self._freed(before)

    def _deploy(self, version: int, batching: str) -> None:
        began = time.monotonic()
        model = network(2048, 8) if self.device == "cuda" else network(64, 1)
        resources = {"gpus": 1} if self.device == "cuda" else {}
        deploy_pytorch_model(
            *(self.conn, "net", version, "doubles", where_and_what, model),
            example_input=self.example,
            resources=resources,
            batching=batching,
        )
        self.say.print(f"Version {version} ({batching}) was ready after {time.monotonic() - began:.1f} s.")

    def _first_answers(self) -> None:
        application = self.conn.application("net")
        answers = [application.predict([n / 10] * FEATURES) for n in range(20)]
        took = [float(self.conn.why(answer["query_id"])["took_ms"]) for answer in answers]
        self.say.print(
            f"First answer after {took[0]:.1f} ms, the next {min(took[1:]):.1f} to {max(took[1:]):.1f} ms."
        )
        devices = {answer["output"][0] for answer in answers}
        if devices != {self.device}:
            self.broken.append(f"It computes on {sorted(map(str, devices))}, and not on {self.device}.")

    def _loads(self) -> None:
        table = Table("batching", "inputs/s", "good", "p50 ms", "p99 ms", "inputs a batch", "GPU memory")
        for version, batching in ((1, "learned"), (2, "off")):
            if version > 1:
                # Two replicas would want two GPUs.
                self.conn.stop_models(["net"])
                self._deploy(version, batching)
            for rate in RATES:
                result = self.conn.load("net", rate=rate, seconds=SECONDS, inputs=[self.example]).result(60)
                if batching == "learned" and not result["answers"].get("model"):
                    self.broken.append(f"At {rate} a second no query got the model's answer.")
                table.add_row(
                    *(batching, f"{rate:,}", f"{result['good_share']:.1%}"),
                    *(f"{result[name]:.1f}" for name in ("p50_ms", "p99_ms")),
                    *(f"{self._batch_size():.1f}", self._memory()),
                )
        self.say.print(table)

    def _batch_size(self) -> float:
        """Inputs a batch, in the newest window of ten seconds."""
        newest = self.conn.batching("net").frontends[0]["windows"][-1]
        return float(newest["inputs"]) / float(newest["batches"])

    def _memory(self) -> str:
        gpu = self.conn.get_all_model_replicas(verbose=True)[0]["gpu"]
        return "none" if gpu is None else f"{gpu['memory_used'] / (1 << 20):,.0f} MiB"

    def _freed(self, before: int) -> None:
        try:
            wait_for("the model's memory to be free", lambda: used_mib() <= before + SPARE_MIB)
        except AssertionError:
            self.broken.append(
                f"{used_mib()} MiB are in use after the model's end, where it were {before} MiB before."
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.gpu", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    device = parser.parse_args().device
    say = Console(width=110)
    missing = lacks(device)
    if missing:
        say.print("There is nothing to see here yet. This machine lacks:")
        for sentence in missing:
            say.print(f"- {sentence}", markup=False)
        return 0
    began = time.monotonic()
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        conn = ClipperConnection(
            ProcessContainerManager("gpu", clipper_query_port=0, clipper_management_port=0)
        )
        conn.start_clipper(fresh=True, cache_size=0)
        trial = Trial(conn, device, say)
        try:
            trial.run()
        finally:
            conn.stop_all(purge=True)
    took = time.monotonic() - began
    if took > TAKES_S:
        trial.broken.append(f"It took {took:.0f} s, and should take {TAKES_S:.0f} s at most.")
    for sentence in trial.broken:
        say.print(f"Broken: {sentence}", markup=False)
    say.print(f"Took {took:.0f} s.")
    return 1 if trial.broken else 0


if __name__ == "__main__":
    sys.exit(main())
