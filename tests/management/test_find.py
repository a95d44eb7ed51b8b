"""What is told of names that are not known: which are, and which was perhaps meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipper_container.errors import NotFound
from clipper_server.management.api.policies import _what_fits
from clipper_server.management.control import find
from clipper_server.management.state import State, Version
from clipper_server.protocols import check
from clipper_server.snapshot import ApplicationSpec


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = State(tmp_path / "state.db")
    found.add_application(ApplicationSpec("digits", "doubles", -1, 100_000, []))
    found.add_version(Version("forest", "v1-stable", "doubles", None, [], 1, state="ready"))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (
            lambda state: find.application(state, "digit"),
            "There is no application 'digit'. Did you mean 'digits'? Applications: digits.",
        ),
        (
            lambda state: find.versions(state, "forrest"),
            "There is no model 'forrest'. Did you mean 'forest'? Models: forest. Deploy it first.",
        ),
        (
            lambda state: find.version(state, "forest", "v1-stabel"),
            "There is no version 'v1-stabel' of model 'forest'. Did you mean 'v1-stable'? Its versions: "
            "v1-stable.",
        ),
        (
            lambda state: find.version(state, "forrest", "1"),
            "There is no version '1' of model 'forrest'. Did you mean 'forest'? That model has no versions: "
            "deploy one.",
        ),
        (
            lambda _state: check("tensorflow-servin"),
            "There is no protocol 'tensorflow-servin'. Did you mean 'tensorflow-serving'? Those that can be "
            "started: open-inference-grpc, tensorflow-serving, sagemaker, azureml, torchserve.",
        ),
    ],
)
def test_a_name_that_is_misspelt_is_told_with_the_one_that_was_meant(
    state: State, look: Callable[[State], object], told: str
) -> None:
    with pytest.raises(NotFound) as raised:
        look(state)
    assert str(raised.value) == told


def test_so_is_a_kind_of_policy_and_an_option_of_one() -> None:
    assert _what_fits({"kind": "splitt"}).endswith(" Did you mean 'split'?")
    assert _what_fits({"kind": "split", "weigths": {}}).endswith(" Did you mean 'weights'?")
    assert _what_fits({"kind": "split", "weights": 3}).endswith('("unit" or null).')
