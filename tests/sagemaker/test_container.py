"""A container as a process: what SageMaker asks it, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from clipper_container import artifact
from clipperlab import BadRequest, ClipperConnection, deployers
from clipperlab.deployers.packaging import pickle_function
from tests.support.ports import free_port
from tests.support.waiting import wait_for

SERVE = """
import sys
from pathlib import Path
from clipper_server.sagemaker.__main__ import main
sys.exit(main(["serve"], Path(sys.argv[1])))
"""


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = "__main__"
    return function


def answer(inputs: list[Any]) -> list[float]:
    import os
    import time
    from pathlib import Path

    for row in inputs:
        if row[0] == 99:
            raise ValueError("no such thing as 99")
        if row[0] == 98:
            os._exit(3)
        if row[0] == 97:
            Path("begun").write_text("")
            while not Path("go").exists():
                time.sleep(0.01)
    return [float(sum(row)) for row in inputs]


class Container:
    """One that runs in the folder `work`."""

    def __init__(self, model: Path, work: Path) -> None:
        self.work = work
        self.port = free_port()
        environment = os.environ | {"SAGEMAKER_BIND_TO_PORT": str(self.port)}
        with (work / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(model)], cwd=work, env=environment, stderr=log, stdout=log
            )

    @property
    def log(self) -> str:
        return (self.work / "log").read_text()

    def ping(self) -> int:
        """The status; 0 where nobody listens."""
        with suppress(httpx2.TransportError):
            return self._ask("GET", "/ping").status_code
        assert self.process.poll() is None, self.log
        return 0

    def healthy(self) -> None:
        wait_for("a healthy container", lambda: self.ping() == 200)

    def invoke(self, body: str, content_type: str = "application/json") -> httpx2.Response:
        return self._ask("POST", "/invocations", content=body, headers={"Content-Type": content_type})

    def _ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.request(method, url, timeout=60, trust_env=False, verify=False, **options)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[Path], Container]]:
    containers: list[Container] = []

    def start(model: Path) -> Container:
        containers.append(Container(model, tmp_path))
        return containers[-1]

    yield start
    for container in containers:
        children = (
            psutil.Process(container.process.pid).children() if container.process.poll() is None else []
        )
        container.process.kill()
        container.process.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    function = pickle_function(by_value(answer))
    parts = {"function.pickle": function}
    artifact.pack(folder / "m.zip", loader="python", input_type="doubles", parts=parts)
    folder.chmod(0o555)
    return folder


def test_it_answers_and_ends_when_what_is_under_way_is_answered(
    started: Callable[[Path], Container], model: Path, tmp_path: Path
) -> None:
    container = started(model)
    container.healthy()
    assert container.invoke("[[1, 2], [3]]").json() == [3.0, 3.0]
    assert container.invoke('{"instances": [[1, 2]]}').json() == {"predictions": [3.0]}
    assert container.invoke("1,2\n3,4\n", "text/csv").json() == [3.0, 7.0]
    (replica,) = psutil.Process(container.process.pid).children()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(container.invoke, "[[97]]")
        wait_for("the query to be under way", (tmp_path / "begun").exists)
        container.process.send_signal(signal.SIGTERM)
        wait_for("it to listen no more", lambda: container.ping() == 0)
        (tmp_path / "go").write_text("")
        assert late.result().json() == [97.0]
    assert container.process.wait(30) == 0
    assert not replica.is_running()


def test_what_the_model_did_not_answer_is_no_answer(
    started: Callable[[Path], Container], model: Path
) -> None:
    container = started(model)
    container.healthy()
    failed = container.invoke("[[1], [99]]")
    assert failed.status_code == 500
    assert failed.json() == {
        "error_code": "INTERNAL_ERROR",
        "message": "The model raised ValueError: no such thing as 99",
    }
    assert container.invoke('[["x"]]').status_code == 400
    killed = container.invoke("[[98]]")
    assert (killed.status_code, killed.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    container.healthy()
    assert container.invoke("[[1]]").json() == [1.0]
    assert "has ended, with 3" in container.log


def test_a_model_that_cannot_be_loaded_ends_it_with_the_reason(
    started: Callable[[Path], Container], tmp_path: Path
) -> None:
    parts = {"function.pickle": b"nothing pickled"}
    artifact.pack(tmp_path / "m.zip", loader="python", input_type="doubles", parts=parts)
    container = started(tmp_path)
    assert container.process.wait(60) == 1
    assert "UnpicklingError" in container.log


def test_a_version_of_a_cluster_is_served_alone(
    started: Callable[[Path], Container], conn: ClipperConnection, tmp_path: Path
) -> None:
    deployers.python.deploy_python_closure(conn, "m", 1, "doubles", by_value(answer))
    conn.save_artifact("m", 1, tmp_path / "m.zip")
    conn.stop_models(["m"])
    container = started(tmp_path)
    container.healthy()
    assert container.invoke("[[4, 5]]").json() == [9.0]


def test_a_version_that_runs_elsewhere_has_no_artifact(conn: ClipperConnection, tmp_path: Path) -> None:
    conn.register_model("elsewhere", 1, "doubles")
    with pytest.raises(BadRequest, match="runs elsewhere, and was deployed from no artifact"):
        conn.save_artifact("elsewhere", 1, tmp_path / "m.zip")
    conn.stop_models(["elsewhere"])
