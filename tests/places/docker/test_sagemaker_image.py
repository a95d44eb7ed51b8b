"""The image for SageMaker, as its platform runs it: read-only, without a network, asked and stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.support.ports import free_port

pytest.importorskip("docker", reason="needs docker's client, which is not installed here")

from clipper_container import artifact
from clipperlab.deployers.packaging import pickle, pickle_function
from clipperlab.images import build
from tests.support import places
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> Any:
    return places.engine()


@pytest.fixture(scope="module")
def image(engine: Any) -> str:
    (found,) = build(["sagemaker"])
    return found


@contextmanager
def running(engine: Any, image: str, model: Path | None = None, **options: Any) -> Iterator[Any]:
    volumes = {} if model is None else {str(model): {"bind": "/opt/ml/model", "mode": "ro"}}
    container = engine.containers.run(
        image, "serve", detach=True, read_only=True, tmpfs={"/tmp": ""}, volumes=volumes, **options
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def stopped(container: Any) -> tuple[int, float]:
    """As SageMaker stops it: its status, and the seconds that it took."""
    began = time.monotonic()
    container.stop(timeout=30)
    return container.wait()["StatusCode"], time.monotonic() - began


def test_a_model_beside_the_image_is_served_and_stopped(engine: Any, image: str, tmp_path: Path) -> None:
    x = np.random.default_rng(7).normal(size=(100, 3))
    model = LogisticRegression().fit(x, x[:, 0] > 0)
    parts = {"model.pickle": pickle("The model", model)}
    artifact.pack(tmp_path / "m.zip", loader="sklearn", input_type="doubles", parts=parts)
    tmp_path.chmod(0o755)
    (tmp_path / "m.zip").chmod(0o644)
    port = free_port()
    with running(engine, image, tmp_path, ports={"8080/tcp": ("127.0.0.1", port)}) as container:

        def ask(method: str, path: str, **options: Any) -> httpx2.Response | None:
            try:
                url = f"http://127.0.0.1:{port}{path}"
                return httpx2.request(method, url, timeout=60, trust_env=False, verify=False, **options)
            except httpx2.TransportError:
                container.reload()
                assert container.status in ("created", "running"), container.logs().decode()
                return None

        def healthy() -> bool:
            answer = ask("GET", "/ping")
            return answer is not None and answer.status_code == 200

        wait_for("a healthy container", healthy)
        rows = [[0.5, 1.0, 2.0], [-0.5, 1.0, 2.0]]
        answer = ask("POST", "/invocations", json=rows)
        assert answer is not None
        assert answer.json() == model.predict(rows).tolist()
        csv = {"content": "0.5,1,2\n", "headers": {"Content-Type": "text/csv", "Accept": "text/csv"}}
        assert (found := ask("POST", "/invocations", **csv)) is not None
        assert found.text.strip().lower() == "true"
        status, took_s = stopped(container)
    assert status == 0
    assert took_s < 30


def inside(container: Any) -> str | None:
    """What the model says within the container, which has no network; None where it is not up yet."""
    ask = (
        "from urllib.request import Request, urlopen; "
        "request = Request('http://127.0.0.1:8080/invocations', b'[[1, 2]]'); "
        "request.add_header('Content-Type', 'application/json'); "
        "print(urlopen(request).read().decode())"
    )
    container.reload()
    assert container.status in ("created", "running"), container.logs().decode()
    code, said = container.exec_run(["python", "-c", ask])
    return said.decode().strip() if code == 0 else None


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = "__main__"
    return function


def test_a_model_in_the_image_has_its_packages_and_needs_no_network(
    engine: Any, image: str, tmp_path: Path
) -> None:
    def answer(inputs: list[Any]) -> list[str]:
        import iniconfig

        return [iniconfig.IniConfig("a", "[b]\nc = 7")["b"]["c"] for _ in inputs]

    path = tmp_path / "m.zip"
    parts = {"function.pickle": pickle_function(by_value(answer))}
    described = {"loader": "python", "input_type": "doubles", "parts": parts, "requirements": ["iniconfig"]}
    artifact.pack(path, **described)  # type: ignore[arg-type]
    tmp_path.chmod(0o755)
    path.chmod(0o644)
    with running(engine, image, tmp_path) as container:
        assert container.wait(timeout=120)["StatusCode"] == 1
        assert "The model needs iniconfig, which the image lacks" in container.logs().decode()
    (own,) = build(["sagemaker"], artifact=path)
    try:
        with running(engine, own, network_mode="none") as container:
            assert wait_for("an answer", lambda: inside(container)) == '["7"]'
            assert stopped(container)[0] == 0
    finally:
        engine.images.remove(own, force=True)
