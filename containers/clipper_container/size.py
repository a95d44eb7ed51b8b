"""Size functions: what an input costs, as an expression of the input, such as "len(x)".

An expression and not a function, because the query frontend evaluates it and runs no code of the models'.
It knows `x`, the input as the model sees it, and a few functions and methods that cannot harm. It cannot take
long either, whatever the input: it goes through the input's parts alone, and only through the first of very
many; what it makes is no longer than what it was given.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .articles import type_of
from .errors import BadRequest

MAX_LENGTH = 500  # characters of an expression
MAX_STEPS = 20_000  # parts of one input that are looked at; those after them do not count


def _sum(values: Iterable[Any]) -> Any:
    return sum(values)  # with a start, it could join lists


def _times(a: Any, b: Any) -> Any:
    return _number(a) * _number(b)  # and not many copies of a list


def _modulo(a: Any, b: Any) -> Any:
    return _number(a) % b  # and not what a format makes


def _number(value: Any) -> Any:
    if isinstance(value, str | bytes | list | tuple):
        raise TypeError(f"{type_of(value)} is no number")
    return value


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    **{f.__name__: f for f in (abs, float, int, len, max, min, round)},
}
_ATTRIBUTES = {"shape", "size", "nbytes", "ndim", "split", "count", "keys", "values", "items", "get"}
_NODES = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.Attribute, ast.Subscript, ast.Slice),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.UnaryOp, ast.USub),
    *(
        ast.List,
        ast.Tuple,
        ast.Compare,
        ast.Lt,
        ast.LtE,
        ast.Gt,
        ast.GtE,
        ast.Eq,
        ast.NotEq,
        ast.In,
        ast.IfExp,
    ),
    *(ast.BoolOp, ast.And, ast.Or, ast.GeneratorExp, ast.comprehension, ast.Store),
)
_EXAMPLES = '"len(x)", "x.size" or "len(x[\'text\'].split())"'


def compile_size(expression: str) -> Callable[[Any], float]:
    """The size function. What it gives is at least 1; an input that it cannot measure counts as 1.

    Raises BadRequest where the expression uses what it may not.
    """
    try:
        if len(expression) > MAX_LENGTH:
            raise ValueError
        tree = ast.parse(expression.strip(), mode="eval")
        refused = _refused(tree, {"x"})
        if refused is None:
            code = compile(ast.fix_missing_locations(_Bounded().visit(tree)), "<size>", "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadRequest(
            f"The size {expression[:100]!r} is no expression of at most {MAX_LENGTH} characters, or is "
            f"nested too deeply. It is one of x, the input: {_EXAMPLES}."
        ) from None
    if refused is not None:
        raise BadRequest(
            f"The size {expression!r} uses {ast.unparse(refused) or type(refused).__name__}, which it may "
            f"not. It may use x, the input, with {', '.join(sorted(_FUNCTIONS))} and the attributes "
            f"{', '.join(sorted(_ATTRIBUTES))}. It may go through parts of x, and use that part alone for "
            f"each: {_EXAMPLES}."
        )
    names = {"__builtins__": {}, **_FUNCTIONS, "_times": _times, "_modulo": _modulo}

    def size(x: Any) -> float:
        try:
            found = float(eval(code, {**names, "_parts": _Parts(), "x": x}))
        except Exception:
            return 1.0
        return found if 1.0 <= found < math.inf else 1.0  # NaN is neither

    return size


def _refused(node: ast.AST, known: set[str]) -> ast.AST | None:
    """The part of it that may not be there, if any. `known` are the names that it may use."""
    if isinstance(node, ast.GeneratorExp):
        through, *others = node.generators
        root = through.iter
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        if others or not isinstance(root, ast.Name) or root.id not in known:
            return node
        own = {name.id for name in ast.walk(through.target) if isinstance(name, ast.Name)}
        inner = [_refused(part, own) for part in (node.elt, *through.ifs)]
        return next((found for found in (_refused(through.iter, known), *inner) if found is not None), None)
    allowed = isinstance(node, _NODES)
    if isinstance(node, ast.Attribute):
        allowed = node.attr in _ATTRIBUTES
    elif isinstance(node, ast.Name):
        allowed = node.id in known or node.id in _FUNCTIONS
    if not allowed:
        return node
    parts = (_refused(child, known) for child in ast.iter_child_nodes(node))
    return next((found for found in parts if found is not None), None)


class _Bounded(ast.NodeTransformer):
    """Puts what keeps a bound in the place of what has none."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = {ast.Mult: "_times", ast.Mod: "_modulo"}.get(type(node.op))
        return node if name is None else _call(name, node.left, node.right)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = _call("_parts", node.iter)
        return node


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class _Parts:
    """The first parts of one input, however deep they lie."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def __call__(self, whole: Iterable[Any]) -> Iterator[Any]:
        for part in whole:
            if not self._left:
                return
            self._left -= 1
            yield part
