from __future__ import annotations

import types
from typing import Any

import pytest

from clipper_container.imports import check_imports


def compiled(source: str) -> Any:
    """A function `f` as a notebook would have it."""
    module = types.ModuleType("__main__")
    exec(source, module.__dict__)
    return module.__dict__["f"]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    import no_such_package\n",
        "def f(x):\n    from no_such_package.part import thing\n",
        "def f(x):\n    def inner():\n        import no_such_package\n    return inner()\n",
        "def g():\n    import no_such_package\ndef f(x):\n    return g()\n",
        "f = lambda x: __import__('os') and g()\ndef g():\n    import no_such_package.sub as s\n",
    ],
)
def test_a_missing_module_is_found_before_the_first_query(source: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'") as raised:
        check_imports(compiled(source))
    assert raised.value.name == "no_such_package"
    assert "pkgs_to_install=['no_such_package']" in str(raised.value)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    import json, os.path\n    return json\n",
        "def f(x):\n    try:\n        import no_such_package\n    except ImportError:\n        pass\n",
        "def f(x):\n    return x\n",
    ],
)
def test_what_can_run_is_left_alone(source: str) -> None:
    check_imports(compiled(source))


def test_a_callable_object_is_left_alone() -> None:
    check_imports(print)
