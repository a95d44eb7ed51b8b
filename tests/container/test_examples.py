"""What an example input tells of the columns of data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper_container.columns import Columns
from clipper_container.errors import BadRequest
from clipper_container.examples import described, of_model
from clipper_container.fields import ANY


def test_an_example_tells_the_columns() -> None:
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "f": np.array([1.5, np.nan], np.float32),
            "i": [1, 2],
            "b": [True, False],
            "t": [None, "x"],
            "c": pandas.Categorical(["x", "y"]),
            "n": pandas.array([None, 1], dtype="Int64"),
            "m": pandas.Series([1, "x"], dtype=object),
            "h": pandas.Series([True, None], dtype=object),
        }
    )
    columns, row = described(frame)
    assert columns == {
        **{"f": "float32", "i": "int64", "b": "bool", "t": "text", "c": "text"},
        **{"n": ANY, "m": ANY, "h": ANY},
    }
    assert row == {"f": 1.5, "i": 1, "b": True, "t": None, "c": "x", "n": None, "m": 1, "h": True}
    assert Columns(columns).of_rows([row])
    columns, row = described({"a": 1, "b": "x", "c": False, "d": None})
    assert columns == {"a": "float64", "b": "text", "c": "bool", "d": ANY}
    assert described(pandas.Series({"a": 1, "b": "x"}))[0] == {"a": "float64", "b": "text"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda pd: pd.DataFrame({"a": []}), "a table without rows"),
        (lambda pd: pd.DataFrame([[1, 2]]), "a column has the name 0"),
        (lambda pd: pd.DataFrame({"a": [pd.Timestamp(0)]}), "holds datetime64"),
        (lambda pd: [1, 2], "is a list, and inputs are rows"),
    ],
)
def test_what_is_no_example_is_told(given: Any, words: str) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(BadRequest, match=f"(?i){words}"):
        described(given(pandas))


def test_a_model_that_knows_its_columns_has_them_in_its_order() -> None:
    assert of_model(["b", "a"], None) == ({"b": ANY, "a": ANY}, None)
    assert of_model(["b", "a"], {"a": 1, "b": "x", "c": 2}) == (
        {"b": "text", "a": "float64"},
        {"b": "x", "a": 1},
    )
    with pytest.raises(BadRequest, match="lacks the column 'b'"):
        of_model(["b", "a"], {"a": 1})
    assert of_model(None, None) == (None, None)
