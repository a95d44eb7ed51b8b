"""A function that was written for one input is told what it gets."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from clipper_container.artifact import Manifest
from clipper_container.faults import words_of
from clipper_container.loaders.python import Function, load
from clipper_container.replica import warm_up


def of_one(x: Any) -> float:
    return float(sum(x))


def total(x: Any) -> Any:
    return sum(x)


def nothing(inputs: Any) -> Any:
    return None


def broken(inputs: Any) -> Any:
    raise ValueError("no")


def of_several(inputs: Any) -> Any:
    return [x + 1 for x in inputs] + [0]


def _words(function: Any) -> str:
    manifest = Manifest(4, "python", "doubles", "", "", {}, example_input=[1.0, 2.0])
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        warm_up(load({"function.pickle": pickle.dumps(function)}, "doubles"), manifest, 8)
    return words_of(caught.value)


@pytest.mark.parametrize("function", [of_one, total])
def test_who_wrote_it_for_one_input_is_told(function: Any) -> None:
    last = _words(function).splitlines()[-1]
    assert last.startswith(f"{function.__name__} answers one input, and a model is asked several at once")
    assert f"[{function.__name__}(x) for x in inputs]" in last


@pytest.mark.parametrize("function", [broken, nothing, of_several])
def test_who_did_not_is_not(function: Any) -> None:
    assert "answers one input" not in _words(function)


def test_what_has_no_name_is_called_func() -> None:
    said = Function(lambda x: float(sum(x)), whole=False).advice([1.0])
    assert said.startswith("func answers one input")
    assert "[func(x) for x in inputs]" in said


def test_a_function_gets_a_list_or_an_array() -> None:
    kinds = [Function(lambda xs: [type(xs)], whole=whole)(np.zeros((1, 2))) for whole in (False, True)]
    assert kinds == [[list], [np.ndarray]]
