"""The map is the code's: what docs/architecture.md names is there, and its picture shows the imports."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.notebooks import ROOT
from tests.tools import map as architecture

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(
    set(re.findall(r"`((?:clipperlab|server|containers|notebooks|exercises|tests|docs)/[^`\s]*)`", TEXT))
)
# A row that names something, and then the file in which it is.
NAMED = re.findall(r"`([A-Za-z_][\w.]*)`[^|`]*\|[^|\n]*?`([\w/]+\.py)`", TEXT)
NAMED += re.findall(r"`([A-Z]\w*\.\w+)` in `([\w/]+\.py)`", TEXT)


def test_the_map_names_files_and_functions() -> None:
    assert len(PATHS) > 40
    assert len(NAMED) > 25


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), NAMED)
def test_the_function_is_where_it_says(name: str, path: str) -> None:
    assert name in _defined((ROOT / path).read_text(encoding="utf-8"))


def test_the_picture_is_that_of_the_code() -> None:
    drawn = architecture.draw(architecture.packages(), architecture.crossing())
    assert architecture.PICTURE.read_text(encoding="utf-8") == drawn, "Run: make map"


def test_a_circle_cannot_be_drawn() -> None:
    circle = architecture.Package("p", {"a": 1, "b": 1}, {"a": frozenset({"b"}), "b": frozenset({"a"})})
    with pytest.raises(ValueError, match="cycle"):
        circle.layers()


def _defined(source: str) -> set[str]:
    """The functions, classes, methods and constants of a module; `Class.method` for methods."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            functions = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{function.name}" for function in functions}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found
