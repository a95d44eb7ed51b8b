"""Deploys a fitted scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .columns import names_of, selected_by_name
from .packaging import deploy_endpoint, pack_and_deploy, pickle, pickled_function
from .shapes import check_fitted


@dataclass(frozen=True)
class Estimator(Model):
    """A fitted estimator.

    sklearn_model
        A fitted estimator or pipeline.
    func
        `func(model, inputs)`, which returns a list as long as `inputs`; by default the model's `predict`.
    """

    loader = "sklearn"
    sklearn_model: Any
    func: Callable[[Any, Any], Any] | None = None

    def parts(self) -> dict[str, bytes]:
        kind = type(self.sklearn_model).__name__
        if self.func is None and not callable(getattr(self.sklearn_model, "predict", None)):
            raise BadRequest(
                f"sklearn_model, of type {kind}, has no predict(): pass a fitted estimator, or "
                "func(model, inputs) that says how it answers."
            )
        if self.func is None:
            check_fitted(self.sklearn_model)
        function = pickled_function(self.func, ("model", "inputs"))
        return {"model.pickle": pickle(f"The model {kind!r}", self.sklearn_model), **function}

    def check(self, input_type: str) -> None:
        if input_type == "named" and self.func is None:
            raise BadRequest(
                "An estimator takes one array, or a data frame. Deploy it with func(model, inputs), which "
                "gets a dictionary of arrays; or for inputs of the type dataframe."
            )
        names = selected_by_name(self.sklearn_model) if self.func is None else []
        if names and input_type != "dataframe":
            raise BadRequest(
                f"The {type(self.sklearn_model).__name__} selects columns by name ({', '.join(names[:3])}), "
                f"and inputs of the type {input_type} have no names. Deploy it with the input type "
                "'dataframe'."
            )

    def names(self) -> list[str] | None:
        return names_of(self.sklearn_model)


@dataclass(frozen=True)
class _Deployment(Deployment, Estimator, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Estimator, EndpointHead): ...


@called_with(_Deployment)
def deploy_sklearn_model(call: _Deployment) -> ModelHandle:
    """Deploy a fitted estimator (or pipeline), answered by its `predict` or by `func(model, inputs)`.

    Raises ArtifactError where they cannot be pickled, and what `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.sklearn.deploy_sklearn_model(
    ...     conn, "sure", 1, "doubles", bayes, lambda model, inputs: model.predict_proba(inputs).max(axis=1)
    ... )
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy an estimator and link them: all under one name, or nothing.

    Raises what `deploy_sklearn_model` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.sklearn.create_endpoint(conn, "svm", "doubles", model, slo_ms=20_000)
    >>> app.predict(X[0])["output"]
    0
    """
    return deploy_endpoint(call)
