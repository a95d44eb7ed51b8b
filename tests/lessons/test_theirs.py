"""Another team's server, for lesson 19: a stand-in where no MLServer is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from clipperlab.lessons.live import installed, server, theirs
from clipperlab.lessons.live.installed import mlserver_program
from clipperlab.lessons.live.server import Server
from clipperlab.lessons.live.theirs import MLServer, StandIn, their_server

APP = FastAPI()


@APP.get("/v2/models/reader")
def metadata() -> dict[str, str]:
    return {"name": "reader"}


def test_a_stand_in_answers_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "mlserver_program", lambda: None)
    server = their_server("reader", None, [], otherwise=APP)
    assert isinstance(server, StandIn)
    url = f"{server.url}/v2/models/reader"
    assert httpx2.get(url, trust_env=False, verify=False).json() == {"name": "reader"}
    server.close()
    server.close()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False, verify=False)


def test_an_mlserver_is_found_on_the_path_and_in_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "CLONE", tmp_path / "clone")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert mlserver_program() is None
    for folder in (tmp_path / "clone/build/peers/mlserver/bin", tmp_path / "bin"):
        folder.mkdir(parents=True)
        program = folder / "mlserver"
        program.touch(0o755)
        assert mlserver_program() == program


def never() -> None:
    raise ConnectionRefusedError


@pytest.mark.parametrize("signal", ["INT", "TERM"])
def test_one_that_never_answers_ends_with_its_folder(signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it has not said yet what to do with SIGINT, which the shell has it ignore."""
    monkeypatch.setattr(server, "START_S", 0.1)
    monkeypatch.setattr(server, "END_S", 0.5)
    found = Server()
    found.signal = signal
    with pytest.raises(TimeoutError, match="does not answer"):
        found._begin([sys.executable, "-c", "import time; time.sleep(600)"], never, OSError)
    assert not found.folder.exists()
    assert found._guard is not None
    assert found._guard.returncode is not None


def test_a_model_that_cannot_be_pickled_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Server] = []
    monkeypatch.setattr(Server, "__init__", made.append)
    with pytest.raises(AttributeError):
        MLServer(tmp_path / "mlserver", "m", lambda rows: rows, [])
    assert made == []
