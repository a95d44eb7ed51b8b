"""The page of the Python API: its names in the order of their nouns; Sphinx reads the docstrings."""

from __future__ import annotations

import inspect
from types import ModuleType

from clipperlab import ClipperConnection, deployers, draw, handles, policies
from clipperlab.operations import Operations

HEAD = """# Python

Everything below is of `import clipperlab`. A connection has all operations on a cluster. What raises says
so, and all exceptions are [here](codes.md#errors).
"""


def page() -> str:
    own = [name for name, member in vars(ClipperConnection).items() if _is_public(name, member)]
    parts = [HEAD, "## The connection\n", _directive("autoclass", "clipperlab.ClipperConnection")]
    parts += [_method(name) for name in own]
    for noun in Operations.__bases__:
        names = [n for c in reversed(noun.__mro__) for n, m in vars(c).items() if _is_public(n, m)]
        fresh = [name for name in dict.fromkeys(names) if not any(_method(name) in part for part in parts)]
        if fresh:
            about = (inspect.getdoc(noun) or "").rstrip(".")
            parts += [f"## {noun.__name__}\n\n{about}.\n", *map(_method, fresh)]
    parts.append("## Handles\n")
    parts += [_members(f"clipperlab.handles.{name}") for name in handles.__all__]
    parts.append("## Places\n\nWhere a cluster is.\n")
    for name in ("ProcessContainerManager", "DockerContainerManager", "KubernetesContainerManager"):
        parts.append(_directive("autoclass", f"clipperlab.{name}"))
    parts.append("## Deployers\n")
    parts.append("All take the options of every deploy, too:\n")
    parts.append(_directive("autoclass", "clipperlab.options.DeployOptions"))
    for name in deployers.__all__:
        module = getattr(deployers, name)
        if isinstance(module, ModuleType):
            parts += [f"### deployers.{name}\n", *_functions(module)]
    parts += ["## Policies\n\n`from clipperlab import policies as P`.\n"]
    parts += [_members(f"clipperlab.policies.{name}") for name in _classes(policies)]
    parts += ["## draw\n", *(_directive("autofunction", f"clipperlab.draw.{name}") for name in draw.__all__)]
    parts += ["## serve\n", _directive("autofunction", "clipperlab.serve")]
    return "\n".join(parts)


def _is_public(name: str, member: object) -> bool:
    return not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, staticmethod))


def _method(name: str) -> str:
    return _directive("automethod", f"clipperlab.ClipperConnection.{name}")


def _members(name: str) -> str:
    return _directive("autoclass", name, ":members:")


def _directive(directive: str, name: str, *options: str) -> str:
    return "\n".join(["```{eval-rst}", f".. {directive}:: {name}", *(f"   {o}" for o in options), "```", ""])


def _functions(module: ModuleType) -> list[str]:
    found = [
        name
        for name, member in vars(module).items()
        if inspect.isfunction(member) and member.__module__ == module.__name__ and not name.startswith("_")
    ]
    return [_directive("autofunction", f"{module.__name__}.{name}") for name in found]


def _classes(module: ModuleType) -> list[str]:
    return [
        name
        for name, member in vars(module).items()
        if inspect.isclass(member) and member.__module__ == module.__name__ and not name.startswith("_")
    ]
