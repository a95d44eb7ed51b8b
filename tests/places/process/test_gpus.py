"""GPUs of replicas: which they get, what is told of them, and a real model on a real one where there is one.

Without a GPU, a stand-in for nvidia-smi says that there are two, so that all but the computing is tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipper_container import gpus
from clipper_container.metrics import Metrics
from clipperlab import BadRequest, ClipperConnection, DeployError
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.workbench import glance
from clipperlab.workbench.watch import Seen
from tests.support import places
from tests.support.clusters import ask
from tests.support.waiting import wait_for

STAND_IN = """#!/bin/sh
case "$*" in
  -L) echo 'GPU 0: Stand-in (UUID: GPU-0)'; echo 'GPU 1: Stand-in (UUID: GPU-1)';;
  *--id\\ 1*) while :; do echo '1, 1024, 8192, 75' || exit; sleep 0.2; done;;
  *) while :; do echo '0, 512, 8192, 25' || exit; sleep 0.2; done;;
esac
"""


def test_memory_is_summed_and_utilisation_averaged_over_a_replicas_gpus() -> None:
    metrics = Metrics()
    gpus.follow(["0, 100, 1000, 50", "1, 300, 1000, 100", "1, 200, 1000, [N/A]", "0, 200, 1000, 0"], metrics)
    told = {metric.name: metric.sum for metric in metrics.news() or []}
    mib = 1 << 20
    assert told == {gpus.USED: 500 * mib, gpus.TOTAL: 2000 * mib, gpus.BUSY: 0.5}


def visible() -> Any:
    def answer(inputs: list[Any]) -> list[str]:
        return [os.environ["CUDA_VISIBLE_DEVICES"] for _ in inputs]

    answer.__module__ = "__main__"
    return answer


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClipperConnection]:
    program = tmp_path / "nvidia-smi"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with places.find("process") as place:
        connection = place.connection("gpus")
        connection.start_clipper(fresh=True)
        yield connection
        connection.stop_all(purge=True)
        wait_for("the end of all that was started", lambda: place.left("gpus") == [])


@pytest.mark.slow
def test_replicas_get_gpus_of_their_own_tell_of_them_and_are_refused_when_none_is_left(
    two_gpus: ClipperConnection,
) -> None:
    conn = two_gpus
    conn.register_application("app", "doubles", "", 20_000_000)
    deploy_python_closure(conn, "m", 1, "doubles", visible(), resources={"gpus": 1}, num_replicas=2)
    conn.link_model_to_app("app", "m")

    def told() -> dict[float, float]:
        found = [replica["gpu"] for replica in conn.get_all_model_replicas(verbose=True)]
        return {gpu["utilisation"]: gpu["memory_used"] for gpu in found if gpu is not None}

    wait_for("both replicas' figures", lambda: told() == {0.25: 512 << 20, 0.75: 1024 << 20})
    table = glance.replicas(Seen(), conn.get_all_model_replicas(verbose=True))
    assert "75 %, 1.0 of 8 GiB" in table
    assert "clipper_custom_gpu_utilisation" in conn.get_metrics()
    assert {ask(conn, "app", {"input": [i]}).json()["output"] for i in range(20)} <= {"0", "1"}
    deploy_python_closure(conn, "cpu", 1, "doubles", visible())
    conn.register_application("cpu", "doubles", "none", 20_000_000)
    conn.link_model_to_app("cpu", "cpu")
    assert ask(conn, "cpu", {"input": [1]}).json()["output"] == ""  # it may see none
    with pytest.raises(BadRequest, match="this machine has 2, and 3 are asked for"):
        deploy_python_closure(conn, "big", 1, "doubles", visible(), resources={"gpus": 3})
    with pytest.raises(DeployError, match=r"GPUs asked for: 1\. Free: 0, because other"):
        deploy_python_closure(conn, "late", 1, "doubles", visible(), resources={"gpus": 1})


def _has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _has_gpu(), reason="needs an NVIDIA GPU, and there is none here")
def test_a_torch_model_computes_on_its_gpu_within_its_objective() -> None:
    torch = pytest.importorskip("torch")
    from clipperlab.deployers.pytorch import deploy_pytorch_model

    width = 2048
    layers = [torch.nn.Linear(64, width), *(torch.nn.Linear(width, width) for _ in range(8))]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(width, 10))

    def where(model: Any, inputs: Any) -> list[Any]:
        import torch

        device = next(model.parameters()).device
        with torch.inference_mode():
            batch = torch.as_tensor(inputs, dtype=torch.float32).pin_memory().to(device, non_blocking=True)
            return [[device.type, int(row.argmax())] for row in model(batch)]

    where.__module__ = "__main__"
    with places.find("process") as place:
        conn = place.connection("gpu")
        conn.start_clipper(fresh=True, cache_size=0)
        try:
            conn.register_application("app", "doubles", "late", 20_000)
            example = [0.0] * 64
            deploy_pytorch_model(
                conn, "m", 1, "doubles", where, model, resources={"gpus": 1}, example_input=example
            )
            conn.link_model_to_app("app", "m")
            run = conn.load("app", rate=500, seconds=5, inputs=[example])
            answers = run.result(60)["answers"]
            assert answers["model"] > 0.95 * sum(answers.values())
            assert ask(conn, "app", {"input": example}).json()["output"][0] == "cuda"
            gpu = wait_for("the GPU's figures", lambda: conn.get_all_model_replicas(verbose=True)[0]["gpu"])
            assert gpu is not None
            assert 0 < gpu["memory_used"] <= gpu["memory"]
        finally:
            conn.stop_all(purge=True)
