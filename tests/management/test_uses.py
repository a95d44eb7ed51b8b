from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from clipper_container.errors import BadRequest
from clipper_server.changes import Changes
from clipper_server.management.control import uses
from clipper_server.management.control.shadows import Shadows
from clipper_server.management.events import Events
from clipper_server.management.frontends import Frontends
from clipper_server.management.state import State, Version
from clipper_server.snapshot import MAX_DEPTH


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.db")
    yield state
    state.close()


def version(model: str, *used: str, name: str = "1", stages: list[list[str]] | None = None) -> Version:
    return Version(model, name, "json", None, [], 0, uses=list(used), stages=stages or [])


def current(state: State, *versions: Version) -> None:
    for each in versions:
        state.add_version(each)
        state.came_up(each)


def test_models_are_no_deeper_from_below_than_from_above(state: State) -> None:
    """Each new version uses a model that used none so far, which would make the chain of all longer."""
    names = [f"m{i}" for i in range(MAX_DEPTH + 2)]
    current(state, *(version(name) for name in names))
    for user, used in pairwise(names[:-1]):
        current(state, deeper := version(user, used, name="2"))
        assert uses.circle(state, deeper) is None
    too_deep = uses.circle(state, version(names[-2], names[-1], name="2"))
    assert too_deep is not None
    assert f"{MAX_DEPTH + 1} deep, {' → '.join(names)}." in too_deep


def test_the_shortest_circle_is_told(state: State) -> None:
    current(state, version("c"), version("b", "c"), version("a", "b", "c"))
    assert "in a circle, c → a → c." in (uses.circle(state, version("c", "a", name="2")) or "")
    assert uses.circle(state, version("c", "d", name="2")) is None


def test_many_ways_through_the_models_take_no_time(state: State) -> None:
    """There are 8 ** 7 of them."""
    layers = [[f"{layer}-{i}" for i in range(8)] for layer in range(7)]
    for above, below in zip([[], *layers], [*layers, []], strict=True):
        current(state, *(version(name, *above) for name in below))
    assert uses.circle(state, version("top", *layers[-1])) is None


@pytest.mark.parametrize("stages", [[[]], [["a"], []], [["a", "a"]], [["b"]]])
def test_stages_name_all_models_once_and_none_is_empty(state: State, stages: list[list[str]]) -> None:
    current(state, version("a"), version("b"))
    uses.check_version(state, version("x", "a", stages=[["a"]]))
    with pytest.raises(BadRequest, match="stages name all models that x:1 uses, each once"):
        uses.check_version(state, version("x", "a", stages=stages))


def test_what_is_used_says_by_whom(state: State) -> None:
    current(state, used := version("a"), version("x", "a"))
    with pytest.raises(BadRequest, match="answers x:1, which uses a: remove that first"):
        uses.check_remove(state, used)
    current(state, version("y", "a"))
    with pytest.raises(BadRequest, match="answers x:1, y:1, which use a: remove those first"):
        uses.check_remove(state, used)


def test_a_model_is_used_by_versions_that_answer(state: State) -> None:
    current(state, version("a"), version("x", "a"))
    assert uses.is_used(state, "a")
    assert not uses.is_used(state, "x")
    current(state, version("x", name="2"))
    assert not uses.is_used(state, "a")
    state.add_version(coming := version("x", "a", name="3"))
    assert uses.is_used(state, "a"), "it becomes current when it has come up"
    state.came_up(coming)
    current(state, version("x", name="4"))
    state.add_version(msgspec.structs.replace(version("x", "a", name="5"), make_current=False))
    assert not uses.is_used(state, "a")


@pytest.mark.anyio
async def test_a_shadow_of_what_only_pipelines_call_is_refused_for_it_would_see_nothing(state: State) -> None:
    current(state, version("stage"), version("top", "stage"))
    staged = version("stage", name="2")
    state.add_version(staged)
    state.set_version_state("stage", "2", "ready", None)
    changes = Changes()
    frontends = Frontends(changes, Events(state, changes))  # of which none serves
    shadows = Shadows(state, frontends, None)  # type: ignore[arg-type] # it publishes nothing
    with pytest.raises(BadRequest, match="No application asks stage: top:1 calls it"):
        await shadows.start("stage", "2", 1.0, 0.0, "", "")
    assert state.live_shadows() == []
