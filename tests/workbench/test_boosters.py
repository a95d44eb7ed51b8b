"""Models of XGBoost and of LightGBM: small ones, made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipper_container.frames import Framed
from clipper_container.loaders import load
from clipper_container.named import Named
from clipperlab import BadRequest, ClipperConnection, deployers
from clipperlab.deployers.arguments import Model
from clipperlab.deployers.kinds import need_kind
from clipperlab.deployers.packaging import _with
from tests.support.clusters import ask

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(200, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
THREE = Y + (X[:, 2] > 0)
FRAME = pd.DataFrame(X, columns=["age", "rooms", "price"])


def loaded(model: Model, input_type: str = "doubles") -> Any:
    columns = dict.fromkeys(FRAME.columns, "<f8") if input_type == "dataframe" else None
    return load(model.loader, model.parts(), input_type, columns)


def of_xgboost(name: str, x: Any = X, y: Any = Y) -> Any:
    xgboost = pytest.importorskip("xgboost")
    if name == "Booster":
        return xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(x, y), 5)
    return getattr(xgboost, name)(n_estimators=5).fit(x, y)


def of_lightgbm(name: str, x: Any = X, y: Any = Y) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    if name == "Booster":
        return lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(x, y), 5)
    return getattr(lightgbm, name)(n_estimators=5, verbose=-1).fit(x, y)


@pytest.mark.parametrize(
    ("name", "y"), [("Booster", Y), ("XGBClassifier", Y), ("XGBClassifier", THREE), ("XGBRegressor", Y)]
)
def test_a_model_of_xgboost_answers_as_it_did(name: str, y: Any) -> None:
    model = of_xgboost(name, y=y)
    packed = deployers.xgboost.Booster(model)
    assert b"pickle" not in b"".join(packed.parts().values())
    expected = (
        model.predict(pytest.importorskip("xgboost").DMatrix(X)) if name == "Booster" else model.predict(X)
    )
    np.testing.assert_array_equal(loaded(packed)(X), expected)
    np.testing.assert_array_equal(loaded(packed)(list(X[:2])), expected[:2])


@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("Booster", Y),
        ("LGBMClassifier", np.array(["no", "yes"])[Y]),
        ("LGBMClassifier", THREE),
        ("LGBMRegressor", Y),
    ],
)
def test_a_model_of_lightgbm_answers_as_it_did(name: str, y: Any) -> None:
    model = of_lightgbm(name, y=y)
    packed = deployers.lightgbm.Booster(model)
    assert list(loaded(packed)(X)) == pytest.approx(list(model.predict(X)))
    assert list(loaded(packed)(list(X[:2]))) == pytest.approx(list(model.predict(X[:2])))


@pytest.mark.parametrize("name", ["Booster", "estimator"])
@pytest.mark.parametrize("make", [of_xgboost, of_lightgbm])
def test_columns_are_those_that_it_was_trained_on_in_its_order(make: Any, name: str) -> None:
    is_xgboost = make is of_xgboost
    kind = name if name == "Booster" else ("XGBRegressor" if is_xgboost else "LGBMRegressor")
    model = make(kind, FRAME)
    packed = (deployers.xgboost if is_xgboost else deployers.lightgbm).Booster(model)
    assert packed.names() == ["age", "rooms", "price"]
    predict = loaded(packed, "dataframe")
    assert isinstance(predict, Framed)
    mixed = Named({column: FRAME[column].to_numpy() for column in ("price", "age", "rooms")}, len(FRAME))
    np.testing.assert_allclose(predict(mixed), loaded(packed)(X))
    without = (deployers.xgboost if is_xgboost else deployers.lightgbm).Booster(make(kind))
    assert without.names() in (None, [])


def test_each_has_its_deployer_and_the_version_that_is_here() -> None:
    for model, call in [
        (of_xgboost("Booster"), "xgboost.deploy_xgboost_model"),
        (of_xgboost("XGBClassifier"), "xgboost.deploy_xgboost_model"),
        (of_lightgbm("Booster"), "lightgbm.deploy_lightgbm_model"),
        (of_lightgbm("LGBMClassifier"), "lightgbm.deploy_lightgbm_model"),
    ]:
        assert need_kind(model).call == call
    needed = deployers.lightgbm.Booster(of_lightgbm("Booster")).packages()
    assert needed == [f"lightgbm=={pytest.importorskip('lightgbm').__version__}"]
    assert _with(needed, ["pandas"]) == ["pandas", *needed]
    assert _with(needed, ["LightGBM>=4"]) == ["LightGBM>=4"], "its owner has said which"


def test_what_is_none_or_not_fitted_is_refused() -> None:
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    with pytest.raises(BadRequest, match=r"xgboost\.Booster or an estimator .*, not int"):
        deployers.xgboost.Booster(7).parts()
    with pytest.raises(BadRequest, match=r"lightgbm\.Booster or an estimator .*, not int"):
        deployers.lightgbm.Booster(7).parts()
    with pytest.raises(BadRequest, match="XGBRegressor is not fitted"):
        deployers.xgboost.Booster(xgboost.XGBRegressor()).parts()
    with pytest.raises(BadRequest, match="LGBMClassifier is not fitted"):
        deployers.lightgbm.Booster(lightgbm.LGBMClassifier()).parts()


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["xgboost", "lightgbm"])
def test_a_booster_answers_on_a_cluster_in_an_environment_of_its_own(
    conn: ClipperConnection, framework: str
) -> None:
    model = (
        of_xgboost("XGBRegressor", FRAME) if framework == "xgboost" else of_lightgbm("LGBMRegressor", FRAME)
    )
    name = f"boosted-{framework}"
    conn.register_application(name, "dataframe", -1, 20_000_000)
    conn.deploy(model, name, input_type="dataframe", example_input=FRAME.head(1))
    conn.link_model_to_app(name, name)
    row = {"price": 0.5, "age": 1.0, "rooms": 2.0}
    answered = ask(conn, name, {"input": row}).json()
    expected = model.predict(pd.DataFrame([[1.0, 2.0, 0.5]], columns=FRAME.columns))[0]
    assert answered["output"] == pytest.approx(float(expected))

    def margin(booster: Any, inputs: Any) -> list[float]:
        return [-1.0 for _ in inputs.index]

    margin.__module__ = "__main__"
    deploy = getattr(getattr(deployers, framework), f"deploy_{framework}_model")
    deploy(conn, name, 2, "dataframe", model, margin, example_input=FRAME.head(1))
    assert ask(conn, name, {"input": row}).json()["output"] == -1.0
    conn.stop_models([name])
    conn.unregister_application(name)
