"""A function takes along the lines that it was written in: in another process a traceback shows them."""

from __future__ import annotations

import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

from clipperlab.deployers.packaging import pickle_function
from clipperlab.deployers.source_file import function_in

CELL = """import math

def helper(x):
    return 1 / x

def predict(inputs):
    def inner(x):
        # the line below
        return helper(x)
    return [inner(x) for x in inputs]
"""
ELSEWHERE = """
import pickle, sys
from clipper_container.faults import words_of
try:
    pickle.load(sys.stdin.buffer)([0])
except ZeroDivisionError as error:
    print(words_of(error))
"""


def _cell(number: int, source: str) -> dict[str, Any]:
    """The names that a notebook's cell has defined."""
    file = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), namespace)
    return namespace


def _fails(pickled: bytes) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=pickled, capture_output=True, check=True)
    return [line.strip() for line in done.stdout.decode().splitlines() if "^" not in line]


def test_of_a_cell() -> None:
    pickled = pickle_function(_cell(1, CELL)["predict"])
    assert pickled == pickle_function(_cell(2, CELL)["predict"]), "where a cell is kept is no part of it"
    said = _fails(pickled)
    assert said[-5:] == [
        'File "<the cell of predict>", line 9, in inner',
        "return helper(x)",
        'File "<the cell of predict>", line 4, in helper',
        "return 1 / x",
        "ZeroDivisionError: division by zero",
    ]
    assert b"import math" not in pickled, "only the lines of what travels"


def test_of_two_cells() -> None:
    names = _cell(3, "def f(x):\n    return 1 / x\n")
    other = _cell(4, "\n\ndef predict(inputs):\n    return [f(x) for x in inputs]\n")
    other["f"] = names["f"]
    said = _fails(pickle_function(other["predict"]))
    assert said[-4:-1] == [
        "return [f(x) for x in inputs]",
        'File "<the cell of f>", line 2, in f',
        "return 1 / x",
    ]


def test_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(CELL)
    pickled = pickle_function(function_in(file, "predict"))
    file.write_text("something else")
    said = _fails(pickled)
    assert said[-3:-1] == [f'File "{file}", line 4, in helper', "return 1 / x"]
