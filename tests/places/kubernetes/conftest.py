"""The stand-in for a Kubernetes cluster, one for each module of tests that runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import places


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Any]:
    with places.find("stand-in") as place:
        yield place.stand_in  # type: ignore[attr-defined]


@pytest.fixture
def api(kubernetes: Any) -> Iterator[Any]:
    """A client of its API."""
    from kubernetes import config

    with config.new_client_from_config(str(kubernetes.kubeconfig)) as found:  # type: ignore[no-untyped-call]
        yield found
