"""The keys of protocols that have signatures: given, changed, kept, and refused where they are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clipper_container.errors import BadRequest
from clipper_server.changes import Changes
from clipper_server.management.control.protocols import Protocols, of
from clipper_server.management.control.publisher import Publisher
from clipper_server.management.frontends import Frontends
from clipper_server.management.state import State
from clipper_server.protocols import ProtocolSpec

pytestmark = pytest.mark.anyio
KEY = ("lab", "a-long-secret")


class Ports:
    def give(self, documented: int, wish: int | None) -> int:
        return wish or documented

    def again(self, port: int) -> int:
        return port + 1

    async def open(self, ports: Mapping[int, str]) -> None:
        pass

    def published(self, port: int) -> str:
        return f"127.0.0.1:{port}"


class Told:
    """Stands in for the publisher: there are no frontends that would have to hear."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def acknowledged(self) -> None:
        pass

    def announce(self, kind: str, text: str, **subject: str) -> None:
        self.said.append(text)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.db")
    yield state
    state.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def protocols(state: State, told: Told) -> Protocols:
    """Where one frontend serves all that is asked of it."""
    report: Any = SimpleNamespace(protocols=dict.fromkeys(["sagemaker", "azureml"], ""))
    frontends: Any = SimpleNamespace(live=lambda: [report])
    return Protocols(state, Ports(), cast(Frontends, frontends), Changes(), cast(Publisher, told))


async def test_a_key_is_given_and_changed_while_it_is_on(
    protocols: Protocols, state: State, told: Told
) -> None:
    spec = await protocols.start("sagemaker", None, None)
    assert (spec.rest, spec.key) == (8080, "")
    assert "It has no key" in told.said[-1]
    assert (await protocols.start("sagemaker", None, None, KEY)).secret == KEY[1]
    assert told.said[-1] == "sagemaker has another key."
    assert of(state) == [ProtocolSpec("sagemaker", 8080, 0, *KEY)]
    await protocols.start("sagemaker", None, None)
    assert of(state) == [ProtocolSpec("sagemaker", 8080, 0, *KEY)]
    assert KEY[1] not in repr(of(state))
    assert KEY[1] not in "".join(told.said)


async def test_a_key_is_there_when_management_begins_anew(protocols: Protocols, state: State) -> None:
    await protocols.start("sagemaker", 9000, None, KEY)
    await protocols.begin("")
    assert of(state) == [ProtocolSpec("sagemaker", 9001, 0, *KEY)]


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("azureml", KEY, "azureml has no signatures"),
        ("sagemaker", ("a/b", "a-long-secret"), "The name of a key"),
        ("sagemaker", ("", "a-long-secret"), "The name of a key"),
        ("sagemaker", ("lab", "short"), "The secret of a key"),
        ("sagemaker", ("lab", "with a space"), "The secret of a key"),
    ],
)
async def test_what_is_no_key_is_refused(
    protocols: Protocols, state: State, name: str, key: tuple[str, str], why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        await protocols.start(name, None, None, key)
    assert of(state) == []
    await protocols.start(name, None, None)
    with pytest.raises(BadRequest, match=why):
        await protocols.start(name, None, None, key)
    assert [spec.key for spec in of(state)] == [""]
