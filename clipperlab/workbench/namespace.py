"""What of a notebook's namespace can be deployed, and by which call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import deployers
from ..operations import Operations


@dataclass(frozen=True)
class Deployable:
    """A variable `name`, whose value `kind` of model is, deployed by `call` with `before` it."""

    name: str
    value: Any
    kind: str
    call: str
    before: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"

    def line(self, model: str, version: str, input_type: str, options: Mapping[str, Any]) -> str:
        """The Python that deploys it, with `conn` for the connection."""
        parts = ["conn", repr(model), repr(version), repr(input_type), *map(repr, self.before), self.name]
        parts += [f"{name}={value!r}" for name, value in options.items()]
        return f"clipperlab.deployers.{self.call}({', '.join(parts)})"

    def deploy(
        self,
        conn: Operations,
        model: str,
        version: str,
        input_type: str,
        options: Mapping[str, Any],
    ) -> None:
        """Raises what the deployer raises."""
        module, _, name = self.call.partition(".")
        deploy: Callable[..., None] = getattr(getattr(deployers, module), name)
        deploy(conn, model, version, input_type, *self.before, self.value, **options)


def deployables(namespace: Mapping[str, Any]) -> list[Deployable]:
    """The functions, fitted models and classes that were made in a notebook, the newest last."""
    found = []
    for name, value in list(namespace.items()):
        if name.startswith("_"):
            continue
        if inspect.isfunction(value) and value.__module__ == "__main__":
            found.append(Deployable(name, value, "function", "python.deploy_python_closure"))
        elif inspect.isclass(value):
            if value.__module__ == "__main__" and any(map(_is_predict, dir(value))):
                found.append(Deployable(name, value, "class", "custom.deploy_model_class"))
        elif any(base.__module__.startswith("torch.nn") for base in type(value).__mro__):
            found.append(Deployable(name, value, "PyTorch module", "pytorch.deploy_pytorch_model", (None,)))
        elif hasattr(value, "predict") and hasattr(value, "get_params"):
            found.append(Deployable(name, value, "scikit-learn model", "sklearn.deploy_sklearn_model"))
    return found


def _is_predict(name: str) -> bool:
    return name == "predict" or name.startswith("predict_")


def next_version(versions: list[str]) -> str:
    """One more than the largest number among them."""
    return str(max([int(v) for v in versions if v.isdecimal()], default=0) + 1)


def notebook() -> Mapping[str, Any]:
    """The namespace of the notebook that this runs in; empty elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell.user_ns if shell is not None else {}
