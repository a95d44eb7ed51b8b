"""Deploys LightGBM models, in LightGBM's own format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipper_container.errors import BadRequest
from clipper_container.plain import as_json

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

    lightgbm_model
        A trained lightgbm.Booster, or a fitted estimator of LightGBM's, such as LGBMClassifier.
    func
        `func(booster, inputs)`, which returns a list as long as `inputs`; by default the booster's `predict`,
        or for a classifier the class.
    """

    loader = "lightgbm"
    lightgbm_model: Any
    func: Callable[[Any, Any], Any] | None = None

    def parts(self) -> dict[str, bytes]:
        import lightgbm

        model = self.lightgbm_model
        classes = {}
        if isinstance(model, lightgbm.LGBMModel):
            booster = fitted_booster(model, "booster_")
            if isinstance(model, lightgbm.LGBMClassifier):
                classes = {"classes.json": as_json(model.classes_)}
        elif isinstance(model, lightgbm.Booster):
            booster = model
        else:
            raise BadRequest(
                "lightgbm_model must be a lightgbm.Booster or an estimator of LightGBM's, not "
                f"{type(model).__name__}."
            )
        function = pickled_function(self.func, ("booster", "inputs"))
        return {"model.txt": booster.model_to_string().encode(), **classes, **function}

    def names(self) -> list[str] | None:
        if not hasattr(self.lightgbm_model, "feature_name"):
            return names_of(self.lightgbm_model)
        names = [str(name) for name in self.lightgbm_model.feature_name()]
        return None if all(re.fullmatch(r"Column_\d+", name) for name in names) else names

    def packages(self) -> list[str]:
        return pinned("lightgbm")


@dataclass(frozen=True)
class _Deployment(Deployment, Booster, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Booster, EndpointHead): ...


@called_with(_Deployment)
def deploy_lightgbm_model(call: _Deployment) -> ModelHandle:
    """Deploy a trained booster or estimator, answered by itself or by `func(booster, inputs)`.

    It travels in LightGBM's own format, and its replicas have the version of LightGBM that is here. Raises
    BadRequest, ArtifactError where the function cannot be pickled, and what `ClipperConnection.deploy_model`
    raises.

    >>> from lightgbm import LGBMClassifier
    >>> boosted = LGBMClassifier(n_estimators=3, verbose=-1).fit(X, y)
    >>> handle = deployers.lightgbm.deploy_lightgbm_model(conn, "boosted", 1, "doubles", boosted)
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a booster and link them: all under one name, or nothing.

    Raises what `deploy_lightgbm_model` raises, or AlreadyExists for another application of that name.

    >>> from lightgbm import LGBMClassifier
    >>> boosted = LGBMClassifier(n_estimators=3, verbose=-1).fit(X, y)
    >>> app = deployers.lightgbm.create_endpoint(conn, "boosted", "doubles", boosted, default_output=-1)
    """
    return deploy_endpoint(call)
