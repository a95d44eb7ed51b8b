from __future__ import annotations

from collections.abc import Iterator

import pytest

from clipperlab import ClipperConnection
from tests.support.fake_management import FakeManagement, FakeManager


@pytest.fixture
def fake() -> Iterator[FakeManagement]:
    management = FakeManagement()
    yield management
    management.close()


@pytest.fixture
def manager(fake: FakeManagement) -> FakeManager:
    return FakeManager(fake.address)


@pytest.fixture
def conn(manager: FakeManager) -> ClipperConnection:
    connection = ClipperConnection(manager)
    connection.connect()
    return connection
