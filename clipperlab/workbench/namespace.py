"""What of a notebook's namespace can be deployed, and by which call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..deployers.kinds import Kind, kind_of
from ..operations import Operations


@dataclass(frozen=True)
class Deployable:
    """A variable `name`, and what kind of model its value is."""

    name: str
    value: Any
    kind: Kind

    def __str__(self) -> str:
        return f"{self.name} ({self.kind.words})"

    def line(self, model: str, version: str, input_type: str, options: Mapping[str, Any]) -> str:
        """The Python that deploys it, with `conn` for the connection."""
        parts = [self.name, repr(model), repr(version), repr(input_type)]
        parts += [f"{name}={value!r}" for name, value in options.items()]
        return f"conn.deploy({', '.join(parts)})"

    def deploy(
        self,
        conn: Operations,
        model: str,
        version: str,
        input_type: str,
        options: Mapping[str, Any],
    ) -> None:
        """Raises what the deployer raises."""
        self.kind.deploy(conn, self.value, model, version, input_type, options)


def deployables(namespace: Mapping[str, Any]) -> list[Deployable]:
    """The functions, fitted models and classes that were made in a notebook, the newest last."""
    found = []
    for name, value in list(namespace.items()):
        if name.startswith("_"):
            continue
        kind = kind_of(value)
        if inspect.isclass(value) or inspect.isfunction(value):
            meant = value.__module__ == "__main__"
            meant = meant and (inspect.isfunction(value) or any(map(_is_predict, dir(value))))
        else:
            meant = kind is not None and kind.words in ("PyTorch module", "scikit-learn model")
        if kind is not None and meant:
            found.append(Deployable(name, value, kind))
    return found


def _is_predict(name: str) -> bool:
    return name == "predict" or name.startswith("predict_")


def notebook() -> Mapping[str, Any]:
    """The namespace of the notebook that this runs in; empty elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell.user_ns if shell is not None else {}
