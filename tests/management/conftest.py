"""Management as it is served, for tests that want nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.managements import Served, served


@pytest.fixture
def management(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as management:
        yield management


@pytest.fixture
def client(management: Served) -> Iterator[httpx2.Client]:
    with management.client() as client:
        yield client
