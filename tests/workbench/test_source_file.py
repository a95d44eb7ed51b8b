"""A file is loaded as `import` would load it."""

from __future__ import annotations

import pickle as stdlib_pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab.deployers import local_modules
from clipperlab.deployers.packaging import pickle_function
from clipperlab.deployers.source_file import function_in


@contextmanager
def as_before() -> Iterator[None]:
    """What is imported meanwhile is forgotten."""
    modules, path = set(sys.modules), [*sys.path]
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def left_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(local_modules, "HOMES", [])
    with as_before():
        yield


def answer(file: Path) -> Any:
    """What the function says in a replica, which has no such file."""
    with as_before():
        pickled = pickle_function(function_in(file, "predict"))
    return stdlib_pickle.loads(pickled)([4.0])


def test_a_main_block_does_not_run(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        "import sys\ndef predict(xs): return [x / 2 for x in xs]\ndef main(): return 0\n"
        'if __name__ == "__main__": sys.exit(main())\n'
    )
    assert answer(file) == [2.0]


def test_it_is_a_module_with_helpers_beside_it(tmp_path: Path) -> None:
    (tmp_path / "helpers_of_it.py").write_text("def half(x): return x / 2\n")
    file = tmp_path / "my-model.py"
    file.write_text(
        "import functools, pickle, helpers_of_it\n"
        "class Halves:\n    def of(self, x): return helpers_of_it.half(x)\n"
        "halves = pickle.loads(pickle.dumps(Halves()))\n"  # at its top, as joblib.dump
        "@functools.lru_cache\ndef half(x): return halves.of(x)\n"
        "def predict(xs): return [half(x) for x in xs]\n"
    )
    assert answer(file) == [2.0]


def test_it_may_be_called_like_a_library(tmp_path: Path) -> None:
    file = tmp_path / "json.py"
    file.write_text("class Two:\n    value = 2\ndef predict(xs): return [x / Two().value for x in xs]\n")
    import json

    assert answer(file) == [2.0]
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("encoding", "head"), [("utf-8-sig", ""), ("latin-1", "# -*- coding: latin-1 -*-\n"), ("utf-8", "")]
)
def test_python_finds_out_its_encoding(tmp_path: Path, encoding: str, head: str) -> None:
    file = tmp_path / "model.py"
    file.write_bytes(f'{head}def predict(xs): return ["é"]\n'.encode(encoding))
    assert answer(file) == ["é"]


@pytest.mark.parametrize(
    ("source", "begins", "ends"),
    [
        ("def half(x): return x / 0\nhalf(1)\n", 'model.py", line 2', "ZeroDivisionError: division by zero"),
        ("def predict(xs) return xs\n", 'model.py", line 1', "SyntaxError: expected ':'"),
        ("import no_such_module\n", 'model.py", line 1', "No module named 'no_such_module'"),
    ],
)
def test_an_error_in_it_shows_its_own_frames(tmp_path: Path, source: str, begins: str, ends: str) -> None:
    file = tmp_path / "model.py"
    file.write_text(source)
    with pytest.raises(BadRequest, match=r"cannot be loaded\. Nothing is deployed") as caught:
        function_in(file, "predict")
    told = str(caught.value)
    assert begins in told
    assert told.endswith(ends)
    assert "source_file.py" not in told
    assert "importlib" not in told


def test_one_that_ends_the_program_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("import sys\ndef predict(xs): return xs\nsys.exit(0)\n")
    with pytest.raises(BadRequest, match=r"ends the program while it is loaded \(exit code 0\)"):
        function_in(file, "predict")


def test_a_function_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("from os.path import join\ndef answer(xs): return xs\ndef _own(): pass\n")
    with pytest.raises(BadRequest, match=r"has no function 'predict', but: answer\. Choose"):
        function_in(file, "predict")
