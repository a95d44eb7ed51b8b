"""Size functions: what an input costs, as an expression of the input, such as "len(x)".

An expression and not a function, because the query frontend evaluates it and runs no code of the models'.
It knows `x`, the input as the model sees it, and a few functions and methods that cannot harm.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from .errors import BadRequest

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (abs, float, int, len, max, min, round, sum)
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
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        raise BadRequest(
            f"The size {expression!r} is no expression. It is one of x, the input: {_EXAMPLES}."
        ) from None
    for node in ast.walk(tree):
        allowed = isinstance(node, _NODES)
        if isinstance(node, ast.Attribute):
            allowed = node.attr in _ATTRIBUTES
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            allowed = node.id == "x" or node.id in _FUNCTIONS or node.id in bound
        if not allowed:
            raise BadRequest(
                f"The size {expression!r} uses {ast.unparse(node) or type(node).__name__}, which it may "
                f"not. It may use x, the input, with {', '.join(sorted(_FUNCTIONS))} and the attributes "
                f"{', '.join(sorted(_ATTRIBUTES))}: {_EXAMPLES}."
            )
    code = compile(tree, "<size>", "eval")

    def size(x: Any) -> float:
        try:
            found = float(eval(code, {"__builtins__": {}, **_FUNCTIONS, "x": x}))
        except Exception:
            return 1.0
        return found if 1.0 <= found < math.inf else 1.0  # NaN is neither

    return size
