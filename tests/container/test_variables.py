from __future__ import annotations

from typing import Any

import pytest

from clipper_container import variables
from clipper_container.errors import BadRequest


def test_texts_by_name_are_variables() -> None:
    assert variables.read(None) == {}
    assert variables.read({"A_1": "", "key": "a=b\nc é"}) == {"A_1": "", "key": "a=b\nc é"}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ([("A", "b")], "must be a dictionary"),
        ({"1A": "secret"}, "no name of a variable"),
        ({"A B": "secret"}, "no name of a variable"),
        ({"A=B": "secret"}, "no name of a variable"),
        ({1: "secret"}, "no name of a variable"),
        ({"CLIPPER_TOKEN": "secret"}, "Clipper Lab's own"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "resources="),
        ({"A": 1}, "the value of A must be a text"),
        ({"A": "secret\0"}, "the value of A"),
        ({"A": "secret\ud800"}, "the value of A"),
        ({f"A{i}": "secret" for i in range(101)}, "101 variables"),
        ({"A": "secret" * 10_000}, "60001 characters"),
    ],
)
def test_what_is_none_is_refused_without_its_value(env: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        variables.read(env)
    assert "secret" not in str(refused.value)
