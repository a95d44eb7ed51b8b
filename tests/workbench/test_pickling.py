"""What decorators have made of a notebook's functions travels with them, or is named at once."""

from __future__ import annotations

import copy
import os
import pickle as stdlib_pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import ArtifactError
from clipperlab.deployers.packaging import pickle
from clipperlab.deployers.pickling import dumps
from clipperlab.deployers.trial import BAD_FUNCTION, try_function

HALF = "def predict(xs): return [half(x) for x in xs]"
TRAVELS = {
    "lru_cache": "@functools.lru_cache\ndef half(v): return v / 2",
    "cache, recursive": "@functools.cache\ndef half(v): return v / 2 if v < 8 else half(v / 2) + half(v / 2)",
    "a cached lambda": "half = functools.lru_cache(maxsize=2)(lambda v: v / 2)",
    "cached methods": """
class Halves:
    @functools.cache
    def plain(self, v): return v / 2
    @staticmethod
    @functools.lru_cache
    def static(v): return v / 2
    @classmethod
    def of_class(cls, v): return cls.static(v)
    @property
    @functools.cache
    def two(self): return 2
halves = Halves()
def half(v): return (halves.plain(v) + Halves.static(v) + Halves.of_class(v) + v / halves.two) / 4
""",
    "cached_property": """
class Two:
    @functools.cached_property
    def value(self): return [2]
two = Two()
two.value
def half(v):
    fresh = Two()
    assert fresh.value is fresh.value
    return v / two.value[0]
""",
    "singledispatch": """
@functools.singledispatch
def half(v): raise TypeError(type(v))
@half.register
def _(v: float): return half(str(v))
@half.register(str)
def text(v): return float(v) / 2
""",
    "singledispatchmethod": """
class Halves:
    @functools.singledispatchmethod
    def of(self, v): raise TypeError(type(v))
    @of.register
    def _(self, v: float): return v / 2
def half(v): return Halves().of(v)
""",
    "wraps": """
def logged(func):
    @functools.wraps(func)
    def wrapper(*args): return func(*args)
    return wrapper
@logged
@functools.cache
@logged
def half(v): return v / 2
""",
    "partial": "def divide(a, b): return a / b\nhalf = functools.partial(divide, b=2)",
    "partialmethod": """
class Halves:
    def divide(self, a, b): return a / b
    half = functools.partialmethod(divide, b=2)
def half(v): return Halves().half(v)
""",
    "an object": """
class Logged:
    def __init__(self, func): functools.update_wrapper(self, func); self.func = func
    def __call__(self, v): return self.func(v)
@Logged
def half(v): return v / 2
""",
    "a context manager": """
import contextlib
@contextlib.contextmanager
def two(): yield 2
def half(v):
    with two() as divisor: return v / divisor
""",
    "names of libraries": """
import numpy as np, operator, re, typing
kept = np.random.rand, "a".upper, list[int], typing.List[int], operator.itemgetter(1), np.add, re.sub, len
def half(v): return v / 2 if kept else None
""",
}


def notebook(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`predict`, after running `source` in __main__."""
    main = sys.modules["__main__"]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(f"import functools\n{source}", namespace)
    for name, value in namespace.items():
        if not name.startswith("__"):
            monkeypatch.setattr(main, name, value, raising=False)
    return namespace["predict"]


@pytest.mark.parametrize("kind", TRAVELS)
def test_what_a_decorator_made_travels(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        predict = notebook(f"{TRAVELS[kind]}\n{HALF}", patch)
        pickled = pickle("The function 'predict'", predict)
        assert try_function({"input": [4.0]}, lambda xs: predict([x[0] for x in xs]), "doubles") == [2.0]
    # Here __main__ has none of it, as in a replica.
    assert stdlib_pickle.loads(pickled)([4.0, 8.0]) == [2.0, 4.0]


def test_a_caches_parameters_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "@functools.lru_cache(maxsize=7, typed=True)\ndef half(v): return v / 2\npredict = half"
    cached = stdlib_pickle.loads(dumps(notebook(source, monkeypatch)))
    assert cached.cache_parameters() == {"maxsize": 7, "typed": True}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "class Missing:\n    def __reduce__(self): return 'MISSING'\nMISSING = Missing()\n"
            "def predict(xs): return [x for x in xs if x is not MISSING]",
            "global variable 'MISSING' (a __main__.Missing)",
        ),
        (
            "import numpy\nhalf = numpy.frompyfunc(lambda v: v / 2, 1, 1)\n" + HALF,
            "global variable 'half' (a numpy.ufunc)",
        ),
        ("half = functools.cmp_to_key(lambda a, b: a - b)\n" + HALF, "a functools.KeyWrapper"),
        (
            "import threading\nlock = threading.Lock()\n@functools.cache\ndef half(v, guard=lock): return v\n"
            + HALF,
            "the default of argument 'guard'",
        ),
        (
            "import threading\nlock = threading.Lock()\nclass Halves:\n    @functools.cached_property\n"
            "    def two(self): return lock\ndef predict(xs): return Halves()",
            "global variable 'lock'",
        ),
    ],
)
def test_what_cannot_travel_is_named_at_once_and_the_trial_agrees(
    source: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = notebook(source, monkeypatch)
    with pytest.raises(ArtifactError, match="cannot be packaged") as caught:
        pickle("The function 'predict'", predict)
    assert words in str(caught.value)
    assert try_function({"input": [4.0]}, predict, "doubles") == BAD_FUNCTION


def test_a_file_that_is_open_cannot_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    predict = notebook("def predict(xs): return [lines.read() for x in xs]", monkeypatch)
    with Path(__file__).open() as lines:
        predict.__globals__["lines"] = lines
        with pytest.raises(ArtifactError, match=r"global variable 'lines' \(a _io.TextIOWrapper\)"):
            pickle("The function 'predict'", predict)
    predict.__globals__["lines"] = lines
    with pytest.raises(ArtifactError, match="closed"):
        pickle("The function 'predict'", predict)
    del predict.__globals__["lines"]


def test_the_environment_stays_here_by_whichever_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "of-mine")
    source = (
        "from os import environ, environb\n"
        "def predict(xs): return [environb[environ.get('A_KEY').encode()].decode() for x in xs]"
    )
    pickled = dumps(notebook(source, monkeypatch))
    assert b"of-mine" not in pickled
    monkeypatch.setenv("A_KEY", "B_KEY")
    monkeypatch.setenv("B_KEY", "of-the-replica")
    assert stdlib_pickle.loads(pickled)([1.0]) == ["of-the-replica"]
    assert stdlib_pickle.loads(dumps(copy.copy(os.environ))) is os.environ


def test_where_to_print_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    source = "import sys\nout = sys.stdout\ndef predict(xs): return [x for x in xs if out]"
    assert stdlib_pickle.loads(dumps(notebook(source, monkeypatch)))([1.0]) == [1.0]
