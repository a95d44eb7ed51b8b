"""The page of the Python API: its names in the order of their nouns; Sphinx reads the docstrings.

What the page names is what is public: `names` has all of it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cached_property
from types import ModuleType
from typing import Any

from clipperlab import ClipperConnection, deployers, draw, handles, policies
from clipperlab.operations import Operations

HEAD = """# Python

Everything below is of `import clipperlab`. A connection has all operations on a cluster. What raises says
so, and all exceptions are [here](codes.md#errors).

Each example goes on from these lines: the application `digits` is answered by version 2 of the model
`digits`, and the model `bayes` is linked to it, too.

```python
{beginning}```
"""
BEGINNING = """\
import numpy as np
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
import clipperlab
from clipperlab import ClipperConnection, deployers, draw, policies as P

X, y = load_digits(return_X_y=True)
bayes = GaussianNB().fit(X, y)
model = SVC(gamma=0.001).fit(X, y)
conn = ClipperConnection("mine")
conn.start_clipper()
conn.register_application("digits", "doubles", -1, slo_ms=20_000)
conn.deploy(bayes, "digits", 1, example_input=X[0])
conn.deploy(model, "digits", 2, example_input=X[0])
conn.deploy(bayes, "bayes", 1, example_input=X[0])
conn.link_model_to_app("digits", "digits")
conn.link_model_to_app("digits", "bayes")
"""
RESULTS = (
    "display.rollout.Rollout",
    "display.shadow.Shadow",
    "display.learned.Learned",
    "display.trace.Trace",
    "display.events.Events",
    "display.history.History",
    "display.batching.BatchingView",
    "load.LoadRun",
    "load.result.LoadResult",
    "load.result.Comparison",
    "serving.Serving",
)
RECORDS = ("display.tuned.Tuned", "evaluation.Estimate", "operations.Deployed")
"""Their docstrings tell their fields."""


def page() -> str:
    own = [name for name, member in vars(ClipperConnection).items() if _is_public(name, member)]
    parts = [
        HEAD.format(beginning=BEGINNING),
        "## The connection\n",
        _directive("autoclass", "clipperlab.ClipperConnection"),
    ]
    parts += [_method(name) for name in own]
    for noun in Operations.__bases__:
        names = [n for c in reversed(noun.__mro__) for n, m in vars(c).items() if _is_public(n, m)]
        fresh = [name for name in dict.fromkeys(names) if not any(_method(name) in part for part in parts)]
        if fresh:
            about = (inspect.getdoc(noun) or "").rstrip(".")
            parts += [f"## {noun.__name__}\n\n{about}.\n", *map(_method, fresh)]
    parts.append("## Handles\n")
    parts += [_members(f"clipperlab.handles.{name}") for name in handles.__all__]
    parts.append("## What comes back\n")
    parts += [_members(f"clipperlab.{name}") for name in RESULTS]
    parts += [_directive("autoclass", f"clipperlab.{name}") for name in RECORDS]
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


def names() -> list[str]:
    """All that is public, by its whole name: what the page names, and the members of its classes."""
    found = []
    for name, members in re.findall(r"^\.\. auto\w+:: (\S+)\n(   :members:)?", page(), re.MULTILINE):
        found.append(name)
        if members:
            own = vars(found_by(name)).items()
            found += [f"{name}.{member}" for member, value in own if _is_member(member, value)]
    return found


def found_by(name: str) -> Any:
    """What has that whole name."""
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last)
    except ModuleNotFoundError:
        return getattr(found_by(module), last)


def _is_member(name: str, member: object) -> bool:
    return _is_public(name, member) or (
        not name.startswith("_") and isinstance(member, property | cached_property | classmethod)
    )


def _is_public(name: str, member: object) -> bool:
    return not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, staticmethod))


def _method(name: str) -> str:
    return _directive("automethod", f"clipperlab.ClipperConnection.{name}")


def _members(name: str) -> str:
    return _directive("autoclass", name, ":members:")


def _directive(directive: str, name: str, *options: str) -> str:
    return "\n".join(["```{eval-rst}", f".. {directive}:: {name}", *(f"   {o}" for o in options), "```", ""])


def _functions(module: ModuleType) -> list[str]:
    """Those that deploy; or all that the module says to be its own."""
    deploys = [
        name
        for name, member in vars(module).items()
        if re.match(r"deploy_|create_", name) and getattr(member, "__module__", "") == module.__name__
    ]
    found = getattr(module, "__all__", deploys)
    return [_directive("autofunction", f"{module.__name__}.{name}") for name in found]


def _classes(module: ModuleType) -> list[str]:
    return [
        name
        for name, member in vars(module).items()
        if inspect.isclass(member) and member.__module__ == module.__name__ and not name.startswith("_")
    ]
