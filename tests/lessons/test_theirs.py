"""Another team's server, for lesson 19: a stand-in where no MLServer is installed."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from clipperlab.lessons.live import theirs
from clipperlab.lessons.live.installed import mlserver_program
from clipperlab.lessons.live.theirs import StandIn, their_server

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
    notebooks = tmp_path / "clone" / "notebooks"
    notebooks.mkdir(parents=True)
    monkeypatch.chdir(notebooks)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert mlserver_program() is None
    for folder in (tmp_path / "clone/build/peers/mlserver/bin", tmp_path / "bin"):
        folder.mkdir(parents=True)
        program = folder / "mlserver"
        program.touch(0o755)
        assert mlserver_program() == program
