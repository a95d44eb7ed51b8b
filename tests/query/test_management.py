"""A query frontend's side of its talk with management."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from clipper_container.errors import ClusterError
from clipper_server.query.configuration import Configuration
from clipper_server.query.management import Management
from clipper_server.snapshot import FORMAT, BatchingSpec, Snapshot
from tests.support.fakes import version_spec


def restored(stored: Path) -> Snapshot | None:
    """What a frontend that starts has of the snapshot on its disk."""

    async def start() -> Snapshot | None:
        configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
        Management("127.0.0.1:1", "token", stored, configuration).restore()
        return configuration.snapshot

    return asyncio.run(start())


def test_the_last_snapshot_on_disk_is_served_from_the_start(tmp_path: Path) -> None:
    stored = tmp_path / "0.snapshot"
    assert restored(stored) is None
    snapshot = Snapshot(3, [], [version_spec(batching=BatchingSpec("off"))], {"m": "1"})
    stored.write_bytes(msgspec.json.encode(snapshot))
    assert restored(stored) == snapshot


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"revision":1,"applications":[],"versions":[],"current":{}}', "has the format 1, and"),
        (b'{"format":%d,"revision":1}' % (FORMAT + 1), f"has the format {FORMAT + 1}, and"),
        (b'{"format":%d}' % FORMAT, "required field `revision`"),
        (b"{", "cannot be read"),
    ],
)
def test_a_snapshot_of_another_format_is_left_alone_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes, words: str
) -> None:
    stored = tmp_path / "0.snapshot"
    stored.write_bytes(text)
    with caplog.at_level(logging.WARNING):
        assert restored(stored) is None
    assert words in caplog.text
    assert "0.snapshot is left alone" in caplog.text
    with pytest.raises(ClusterError, match=words):
        Snapshot.decode(text)
