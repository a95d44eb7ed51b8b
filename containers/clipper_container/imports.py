"""Finds the modules that a function will import when it is called, and that are not here.

A function that says `import pandas` in its body loads anywhere and fails at its first query. Nobody sees
that at deploy time unless somebody looks, and a model must not be called with inputs that no client sent.
So this reads the function's byte code. An import inside a `try` is the author's own care and is left
alone.
"""

from __future__ import annotations

import dis
import importlib.util
import types
from collections.abc import Callable, Iterator
from typing import Any


def check_imports(function: Callable[..., Any]) -> None:
    """Raise ModuleNotFoundError for the first module that `function` will import and that is missing."""
    for module, code, line in _imports(function):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f"No module named {module!r} (imported by the function {code.co_name!r} in its line "
                f"{line - code.co_firstlineno + 1}). Deploy with pkgs_to_install=[{module!r}]; or, where it "
                "is a module of your own beside the notebook, import it at the notebook's top and not in the "
                "function; or put the import into a try statement if the model can do without.",
                name=module,
            )


def _imports(function: Callable[..., Any]) -> Iterator[tuple[str, types.CodeType, int]]:
    """(top-level module, code object, line) of each unguarded import in the function's own code."""
    todo = _code_of(function)
    seen: set[types.CodeType] = set()
    while todo:
        code = todo.pop()
        if code in seen:
            continue
        seen.add(code)
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        bytecode = dis.Bytecode(code)
        entries: Any = vars(bytecode)["exception_entries"]  # the type stubs leave it out
        guarded = [(e.start, e.end) for e in entries]
        line = code.co_firstlineno
        instructions = list(bytecode)
        for i, instruction in enumerate(instructions):
            if instruction.positions is not None and instruction.positions.lineno:
                line = instruction.positions.lineno
            if instruction.opname != "IMPORT_NAME":
                continue
            level = next((p.argval for p in reversed(instructions[max(0, i - 2) : i]) if _is_int(p)), 0)
            if level == 0 and not any(s <= instruction.offset < e for s, e in guarded):
                yield instruction.argval.partition(".")[0], code, line


def _is_int(instruction: dis.Instruction) -> bool:
    return isinstance(instruction.argval, int) and instruction.opname.startswith("LOAD")


def _code_of(function: Callable[..., Any]) -> list[types.CodeType]:
    """The code of the function and of the functions of its notebook that it calls by name.

    Functions of installed modules are left alone: what they import is their packages' matter.
    """
    found: list[types.CodeType] = []
    todo: list[Any] = [function]
    while todo:
        item = todo.pop()
        if isinstance(item, types.FunctionType) and item.__code__ not in found:
            found.append(item.__code__)
            names = item.__code__.co_names
            cells = [c.cell_contents for c in item.__closure__ or () if _filled(c)]
            siblings = [item.__globals__.get(n) for n in names] + cells
            todo += [s for s in siblings if getattr(s, "__module__", None) == item.__module__]
    return found


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
