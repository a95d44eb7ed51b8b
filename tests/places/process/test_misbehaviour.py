"""Models that do what models should not, in real replicas: each costs its own answer, and no replica."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from clipperlab import ClipperConnection, DeployError
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import ask, lives, pid_of
from tests.support.waiting import wait_for


def replica_of(cluster: ClipperConnection) -> str:
    (replica,) = cluster.get_all_model_replicas()  # those of an earlier test may still drain
    return f"m.1.{replica.rpartition(':')[2]}"


def deploy(cluster: ClipperConnection, func: Callable[[Any], Any], **options: Any) -> None:
    func.__module__ = "__main__"
    cluster.register_application("m", "strings", -1, 10_000_000)
    deploy_python_closure(cluster, "m", 1, "strings", func, **options)
    cluster.link_model_to_app("m", "m")


def test_what_a_model_raises_or_prints_costs_its_own_answer(cluster: ClipperConnection) -> None:
    def predict(inputs: list[str]) -> list[Any]:
        import asyncio
        import os
        import sys

        class Mute(BaseException):
            def __str__(self) -> str:
                raise KeyboardInterrupt

        odd = os.fsdecode(b"caf\xe9.jpg")
        for text in inputs:
            if text == "cancelled":
                raise asyncio.CancelledError("given up")
            if text == "interrupted":
                raise KeyboardInterrupt
            if text == "odd":
                raise ValueError(f"no such picture: {odd}")
            if text == "mute":
                raise Mute
            if text == "long":
                raise ValueError("x" * 50_000_000)
            if text == "print":
                print(odd)  # noqa: T201
            if text == "close":
                sys.stderr.close()
                sys.stdout.close()
                os.close(2)
        return [os.getpid() for _ in inputs]

    deploy(cluster, predict)
    replica = pid_of(cluster, replica_of(cluster))
    for text, words in {
        "cancelled": "CancelledError: given up",
        "interrupted": "KeyboardInterrupt",
        "odd": r"ValueError: no such picture: caf\udce9.jpg",
        "mute": "Mute, which cannot say more",
        "long": "ValueError: xxx",
        "print": "",
        "close": "",
    }.items():
        for _ in range(2):
            answer = ask(cluster, "m", {"input": text}).json()
            assert words in answer.get("default_explanation", ""), answer
            assert answer["output"] == (-1 if words else replica), answer
            if text == "close":
                text = "odd"
                words = "no such picture"
    assert "no such picture" in cluster.log(replica_of(cluster), 0)[0]
    assert pid_of(cluster, replica_of(cluster)) == replica


def test_a_deploys_error_begins_with_the_models_own_frames(cluster: ClipperConnection) -> None:
    def predict(inputs: list[str]) -> list[Any]:
        import asyncio

        raise asyncio.CancelledError("given up \udce9")

    with pytest.raises(DeployError) as caught:
        deploy(cluster, predict, example_input="a")
    traceback = str(caught.value)[str(caught.value).index("Traceback") :]
    assert traceback.splitlines()[1].endswith("in predict")
    assert "clipper_container" not in traceback
    assert "runpy" not in traceback
    assert traceback.endswith("CancelledError: given up \\udce9")


@pytest.mark.slow
def test_pools_and_forks_work_as_in_a_script(cluster: ClipperConnection) -> None:
    def predict(inputs: list[str]) -> list[Any]:
        import multiprocessing
        import os
        import subprocess
        import sys
        from concurrent.futures import ProcessPoolExecutor

        from joblib import Parallel, delayed  # type: ignore[import-untyped]

        found: list[Any] = []
        for how in inputs:
            if how == "pool":
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    found.append(pool.map(abs, [-1, 2]))
            elif how == "own function":
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    found.append(pool.map(double, [1, 2]))
            elif how == "spawn":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    found.append(pool.map(double, [1, 2]))
            elif how == "futures":
                with ProcessPoolExecutor(2) as pool:
                    found.append(list(pool.map(double, [1, 2])))
            elif how == "joblib":
                found.append(Parallel(n_jobs=2)(delayed(double)(i) for i in (1, 2)))
            elif how == "popen":
                found.append(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout)
            elif how == "fork that exits":
                if not (pid := os.fork()):
                    sys.exit(3)
                found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            elif how == "fork that comes back":
                pid = os.fork()
                found.append(pid and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            elif how == "fork that fails":
                if not (pid := os.fork()):
                    raise ValueError("in the child")
                found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        return found

    def double(x: int) -> int:
        return 2 * x

    double.__module__ = "__main__"
    deploy(cluster, predict)
    for how, output in {
        "pool": [1, 2],
        "own function": [2, 4],
        "futures": [2, 4],
        "popen": "MQo=",
        "fork that exits": 3,
        "fork that comes back": 0,
        "fork that fails": 1,
        "joblib": [2, 4],
        "spawn": [2, 4],
    }.items():
        answer = ask(cluster, "m", {"input": how}).json()
        assert (how, answer["output"]) == (how, output), answer


@pytest.mark.slow
def test_what_a_model_starts_ends_with_its_replica(cluster: ClipperConnection) -> None:
    def predict(inputs: list[str]) -> list[Any]:
        import os
        import subprocess
        import time

        pid = os.fork()
        if not pid:
            while True:
                time.sleep(60)
        return [[pid, subprocess.Popen(["sleep", "600"]).pid] for _ in inputs]

    deploy(cluster, predict)
    pids = ask(cluster, "m", {"input": "a"}).json()["output"]
    processes = [psutil.Process(pid) for pid in pids]
    assert all(os.getsid(pid) == pid_of(cluster, replica_of(cluster)) for pid in pids)
    cluster.stop_models(["m"])
    wait_for("their ends", lambda: not any(lives(process) for process in processes))
