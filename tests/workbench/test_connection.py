"""The connection as a whole: which of its methods need a cluster."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from clipperlab import BadRequest, ClipperConnection, ProcessContainerManager, UnconnectedException


def _call(method: Callable[..., Any]) -> object:
    """With something for each argument that it must have."""
    must = [
        p
        for p in inspect.signature(method).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    by_name = {p.name: 1 for p in must if p.kind is p.KEYWORD_ONLY}
    return method(*["x" for p in must if p.kind is not p.KEYWORD_ONLY], **by_name)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, f in inspect.getmembers(ClipperConnection, inspect.isfunction)
        if n[0] != "_"
        and n not in ("start_clipper", "connect", "stop_all", "build_model", "build_and_deploy_model")
        and n != "test_predict_function"
        and n not in ("stop_models", "stop_versioned_models", "stop_inactive_model_versions")
    ],
)
def test_needs_a_cluster(name: str) -> None:
    method = getattr(ClipperConnection(), name)
    with pytest.raises(UnconnectedException, match=r"connect\(\).*start_clipper\(\)"):
        _call(method)


def test_stopping_models_needs_a_cluster() -> None:
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_models(["x"])
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_versioned_models({"x": ["1"]})
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_inactive_model_versions(["x"])


def test_a_name_is_that_of_a_cluster_of_processes_here() -> None:
    conn = ClipperConnection("shop")
    assert isinstance(conn.cm, ProcessContainerManager)
    assert conn.cm.cluster_name == "shop"
    with pytest.raises(BadRequest, match="cluster name"):
        ClipperConnection("My shop")
