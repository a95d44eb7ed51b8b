"""MLServer and TorchServe themselves, in the environments of `make peers`, as remote models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from clipperlab import ClipperConnection
from clipperlab.deployers import remote
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.handles import ApplicationHandle
from tests.support.clusters import ask, constant, kill
from tests.support.parts import need
from tests.support.waiting import wait_for
from tests.tools.compare.asking import Asked
from tests.tools.compare.peer import Peer, Place
from tests.tools.compare.peers import PEERS, archives, mlserver
from tests.tools.compare.running import running
from tests.tools.compare.workloads import Task

from .batches import WORDS

MODEL = "batches"
"""Its outputs are an input's sum, and how many inputs were in its batch."""
ROW = [1.0, 2.0]
ONE = {MODEL: Task([ROW], [3.0])}
BATCH, WAIT_MS = 16, 200
CLIENTS = 16

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Server:
    """A system with the model alone: how it is asked, and its words for a failure."""

    peer: Peer
    protocol: str
    path: str
    words: str


def mlservers_command(place: Place, batch: int = BATCH) -> list[str | Path]:
    mlserver.write(place, MODEL, f"{__package__}.mlserver_batches.Batches", batch, WAIT_MS)
    return [*mlserver.command(place)]


def register_at_torchserve(place: Place) -> None:
    archives.write(place, MODEL, f"from {__package__}.batches import handle\n")
    archives.load(place, MODEL, 1, BATCH, WAIT_MS)


SERVERS = {
    "mlserver": Server(
        replace(PEERS["mlserver"], command=mlservers_command), "open-inference", f"/v2/models/{MODEL}", WORDS
    ),
    "torchserve": Server(
        replace(
            PEERS["torchserve"],
            prepare=register_at_torchserve,
            request=lambda model, row: (f"/predictions/{model}", row),
            answer=lambda said: float(said[0]),
        ),
        "torchserve",
        f"/predictions/{MODEL}",
        "Prediction failed",
    ),
}


@pytest.fixture(scope="module", params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    peer = SERVERS[found].peer
    need(found, (peer.programs(Path()) / "python").exists(), "`make peers` installs it.")
    for program in peer.needs:
        need(program, shutil.which(program) is not None, f"{peer.name} needs it.")
    return found


def serving(name: str, folder: Path) -> AbstractContextManager[Asked]:
    return running(SERVERS[name].peer, folder, ONE)


@pytest.fixture(scope="module")
def system(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with serving(name, tmp_path_factory.mktemp("shared")) as found:
        yield found


def endpoint(conn: ClipperConnection, app: str, name: str, system: Asked) -> ApplicationHandle:
    server = SERVERS[name]
    return remote.create_endpoint(
        *(conn, app, system.url + server.path),
        protocol=server.protocol,
        input_type="doubles",
        example_input=ROW,
        default_output=-1,
        slo_ms=10_000,
    )


def test_many_clients_fill_its_batches(name: str, conn: ClipperConnection, system: Asked) -> None:
    app = f"filled-{name}"
    endpoint(conn, app, name, system)
    rows = [[float(i), 0.5] for i in range(4 * CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda row: ask(conn, app, {"input": row}).json()["output"], rows))
    assert [answer[0] for answer in answers] == [sum(row) for row in rows]
    assert max(answer[1] for answer in answers) > CLIENTS / 2
    conn.stop_models([app])


def test_its_failures_are_faults_with_its_words_and_leave_the_circuit_closed(
    name: str, conn: ClipperConnection, system: Asked
) -> None:
    app = endpoint(conn, f"failing-{name}", name, system)
    server = SERVERS[name]
    for _ in range(10):
        bad = app.predict([-1.0, 1.0])
        assert (bad["default"], bad["default_reason"]) == (True, "model_error")
        assert f"The {server.protocol} server said" in bad["default_explanation"]
        assert server.words in bad["default_explanation"]
    assert app.predict(ROW)["output"][0] == 3.0
    conn.stop_models([app.name])


@pytest.mark.parametrize("name", ["mlserver"], indirect=True, scope="module")
def test_one_bad_input_fails_alone_where_it_makes_no_batches(
    name: str, conn: ClipperConnection, tmp_path: Path
) -> None:
    peer = replace(SERVERS[name].peer, command=partial(mlservers_command, batch=0))
    with running(peer, tmp_path, ONE) as system:
        endpoint(conn, "alone", name, system)
        rows = [[float(i), 1.0] for i in range(BATCH - 1)] + [[-1.0, 1.0]]
        *good, bad = ask(conn, "alone", {"input_batch": rows}).json()["batch_predictions"]
        assert bad["default_reason"] == "model_error"
        assert [answer["output"][0] for answer in good] == [sum(row) for row in rows[:-1]]
        assert max(answer["output"][1] for answer in good) > 1, "a batch is one request"
    conn.stop_models(["alone"])


def test_a_rollout_from_it_to_ours_fails_no_query(name: str, conn: ClipperConnection, system: Asked) -> None:
    """At 200 queries a second."""
    app = endpoint(conn, f"over-{name}", name, system)
    deploy_python_closure(conn, app.name, 2, "doubles", constant("ours"), make_current=False)
    load = conn.load(app.name, rate=200, seconds=20)
    rollout = conn.start_rollout(app.name, 2, steps=[0.1, 0.5, 1], hold_s=2)
    wait_for("its end", lambda: rollout.state != "running")
    assert rollout.state == "passed", rollout.verdict()
    result = load.result()
    assert result["answers"] == {"model": result["sent"]}, result
    assert app.predict(ROW)["output"] == "ours"
    conn.stop_models([app.name])


def test_once_it_is_killed_there_are_default_outputs_and_an_event(
    name: str, conn: ClipperConnection, tmp_path: Path
) -> None:
    with serving(name, tmp_path) as system:
        app = endpoint(conn, f"killed-{name}", name, system)
        assert app.predict(ROW)["output"][0] == 3.0
        port = urlsplit(system.url).port
        [pid] = {
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,)
        }
        assert pid is not None
        kill(pid)
        told: list[str] = []

        def is_open() -> bool:
            answer = app.predict(ROW)
            assert (answer["output"], answer["default_reason"]) == (-1, "call_failed")
            told.append(answer["default_explanation"])
            return "its circuit is open" in told[-1]

        wait_for("its circuit to open", is_open)
        opened = f"replica 0 of {app.name}:1: {system.url}{SERVERS[name].path} failed"
        wait_for("the event", lambda: any(opened in event["text"] for event in conn.events()))
    conn.stop_models([app.name])
