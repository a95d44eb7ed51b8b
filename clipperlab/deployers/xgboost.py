"""Deploys XGBoost models, in XGBoost's own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from ..packages import pinned
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .columns import names_of
from .packaging import deploy_endpoint, pack_and_deploy, pickled_function
from .shapes import fitted_booster


@dataclass(frozen=True)
class Booster(Model):
    """A booster.

    xgboost_model
        A trained xgboost.Booster, or a fitted estimator of XGBoost's, such as XGBClassifier.
    func
        `func(model, inputs)`, which returns a list as long as `inputs`; by default the model's `predict`.
    """

    loader = "xgboost"
    xgboost_model: Any
    func: Callable[[Any, Any], Any] | None = None

    def parts(self) -> dict[str, bytes]:
        import xgboost

        model = self.xgboost_model
        if isinstance(model, xgboost.XGBModel):
            booster = fitted_booster(model, "get_booster")
        elif isinstance(model, xgboost.Booster):
            booster = model
        else:
            raise BadRequest(
                "xgboost_model must be an xgboost.Booster or an estimator of XGBoost's, not "
                f"{type(model).__name__}."
            )
        kind = json.dumps(type(model).__name__).encode()
        function = pickled_function(self.func, ("model", "inputs"))
        return {"kind.json": kind, "model.ubj": bytes(booster.save_raw("ubj")), **function}

    def names(self) -> list[str] | None:
        return getattr(self.xgboost_model, "feature_names", None) or names_of(self.xgboost_model)

    def packages(self) -> list[str]:
        is_estimator = hasattr(self.xgboost_model, "get_params")
        return [*pinned("xgboost", "xgboost-cpu"), *(pinned("scikit-learn") if is_estimator else [])]


@dataclass(frozen=True)
class _Deployment(Deployment, Booster, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Booster, EndpointHead): ...


@called_with(_Deployment)
def deploy_xgboost_model(call: _Deployment) -> ModelHandle:
    """Deploy a trained booster or estimator, answered by its `predict` or by `func(model, inputs)`.

    It travels in XGBoost's own format, and its replicas have the version of XGBoost that is here. Raises
    BadRequest, ArtifactError where the function cannot be pickled, and what `ClipperConnection.deploy_model`
    raises.

    >>> from xgboost import XGBClassifier
    >>> boosted = XGBClassifier(n_estimators=3).fit(X, y)
    >>> handle = deployers.xgboost.deploy_xgboost_model(conn, "boosted", 1, "doubles", boosted)
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a booster and link them: all under one name, or nothing.

    Raises what `deploy_xgboost_model` raises, or AlreadyExists for another application of that name.

    >>> from xgboost import XGBClassifier
    >>> boosted = XGBClassifier(n_estimators=3).fit(X, y)
    >>> app = deployers.xgboost.create_endpoint(conn, "boosted", "doubles", boosted, default_output=-1)
    """
    return deploy_endpoint(call)
