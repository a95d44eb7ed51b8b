from __future__ import annotations

import numpy as np
import pytest

from clipper_container.errors import BadRequest
from clipper_container.size import compile_size


@pytest.mark.parametrize(
    ("expression", "x", "cost"),
    [
        ("len(x)", "abc", 3),
        ("len(x.split())", "four words are here", 4),
        ("x.shape[0] * x.shape[1]", np.zeros((3, 4)), 12),
        ("x.size / 2", np.zeros(10), 5),
        ("len(x['text']) + 10 * len(x.get('images', []))", {"text": "abc"}, 3),
        ("sum(len(w) for w in x)", ["a", "bcd"], 4),
        ("max(len(x), 64) if len(x) > 2 else 1", "abc", 64),
        ("len(x) // 1000", "abc", 1),  # never less than one
        ("x['missing']", {}, 1),  # what cannot be measured counts as one
        ("x / 0", 1, 1),
        ("float('nan')", "x", 1),
        ("1e999", "x", 1),
        ("x * 10", 1e308, 1),
        ("sum(sum(len(c) for c in row) for row in x)", [["a", "bc"], ["def"]], 6),
        ("sum(len(v) for k, v in x.items() if k == 'a')", {"a": "xyz", "b": "x"}, 3),
        ("x['a'] % 10 + 2 * x['a']", {"a": 12}, 26),
        ("sum(1 for w in x)", ["w"] * 1_000_000, 20_000),  # what comes after these does not count
        ("sum(sum(1 for c in row) for row in x)", [[0] * 1000] * 1000, 19_980),
        ("len([0] * 300000000)", "x", 1),
        ("len('%1000000000d' % 1)", "x", 1),
        ("len(x * 1000000000)", "abc", 1),
    ],
)
def test_a_size_is_what_the_expression_says(expression: str, x: object, cost: float) -> None:
    assert compile_size(expression)(x) == cost


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "().__class__.__bases__",
        "open('file')",
        "(lambda: 1)()",
        "[a for a in x]",
        "x ** 9",
        "len(y)",
        "f'{x}'",
        "x = 1",
        "len(x",
        "",
        "sum(1 for a in [0, 0] for b in [0, 0])",
        "sum(1 for a in [0, 0])",
        "sum(1 for a in x for b in a)",
        "sum(x.count(a) for a in x)",
        "sum(sum(1 for b in x) for a in x)",
        "sum(sum(len(a) for b in a) for a in x)",
        "sum(1 for a in x + x)",
        "max(x, key=len)",
        "-" * 60_000 + "x",
        "-" * 499 + "x",
        "len(x)" + " + len(x)" * 100,
    ],
)
def test_what_could_do_more_than_measure_is_refused(expression: str) -> None:
    with pytest.raises(BadRequest, match=r"len\(x\)"):
        compile_size(expression)
