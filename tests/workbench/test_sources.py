"""A function takes along the lines that it was written in: in another process a traceback shows them."""

from __future__ import annotations

import linecache
import os
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
    assert said[-3:-1] == ['File "model.py", line 4, in helper', "return 1 / x"]


SCRIPT = """
import helpers, kit.parts

def predict(inputs):
    return [helpers.half(kit.parts.one(x), __file__) for x in inputs if x not in {"a", "b", "c", "d", "e"}]
"""
DIGEST = """
import sys
from pathlib import Path
from clipperlab.deployers.packaging import pickle_function
from clipperlab.deployers.source_file import function_in
sys.stdout.buffer.write(pickle_function(function_in(Path(sys.argv[1]), "predict")))
"""


def _pickled_from(folder: Path) -> bytes:
    """In a process of its own, that keeps what it has compiled."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", DIGEST, str(folder / "model.py")]
    return subprocess.run(command, capture_output=True, check=True, env=environment).stdout


def test_what_it_is_depends_on_neither_its_folder_nor_what_was_compiled(tmp_path: Path) -> None:
    for name in ("a", "longer/b"):
        kit = tmp_path / name / "kit"
        kit.mkdir(parents=True)
        (kit.parent / "model.py").write_text(SCRIPT)
        (kit.parent / "helpers.py").write_text("def half(x, file):\n    return x / len(file[8:])\n")
        (kit / "__init__.py").write_text("")
        (kit / "parts.py").write_text("def one(x):\n    return x\n")
    folders = [tmp_path / "a", tmp_path / "a", tmp_path / "longer/b", tmp_path / "a"]
    first, *others = map(_pickled_from, folders)
    assert (tmp_path / "a" / "kit" / "__pycache__").is_dir(), "it keeps what it has compiled"
    assert others == [first] * 3
    assert str(tmp_path).encode() not in first
    assert b"kit/parts.py" in first
    assert 'File "helpers.py", line 2, in half' in _fails(first)
