from __future__ import annotations

from pathlib import Path

import pytest

from clipper_container import addresses
from clipper_container.errors import BadRequest
from clipper_server.management.specs import Specs, max_warm_up, parse_batching
from clipper_server.places import Addresses
from clipper_server.snapshot import BatchingSpec


@pytest.mark.parametrize(
    ("text", "delay", "spec"),
    [
        ("learned", 0, BatchingSpec()),
        ("learned", 2000, BatchingSpec("learned", 1, 2000)),
        ("aimd", 5, BatchingSpec("aimd", 1, 5)),
        ("fixed(32)", 0, BatchingSpec("fixed", 32)),
        ("off", 0, BatchingSpec("off")),
    ],
)
def test_each_way_of_batching_is_understood(text: str, delay: int, spec: BatchingSpec) -> None:
    assert parse_batching(text, delay) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "delay", "words"),
    [
        ("", 0, "Choose one of"),
        ("fixed", 0, "Choose one of"),
        ("fixed(-1)", 0, "Choose one of"),
        ("fixed(0)", 0, "from 1 to 4096"),
        ("fixed(5000)", 0, "from 1 to 4096"),
        (f"fixed({'1' * 5000})", 0, "Choose one of"),
        ("off", 1, "nothing to delay"),
        ("learned", -1, "batch_delay_micros must be from 0"),
    ],
)
def test_what_makes_no_sense_is_told(text: str, delay: int, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_batching(text, delay)


def test_a_warm_up_tries_no_batch_that_its_model_would_not_get() -> None:
    assert max_warm_up(BatchingSpec("off")) == 1
    assert max_warm_up(BatchingSpec("fixed", 7)) == 7
    assert max_warm_up(BatchingSpec()) > 100


def test_replicas_find_the_sockets_of_a_home_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "[2024] course*"
    folder.mkdir()
    (folder / "0.sock").touch()
    specs = Specs("c", "t", Addresses("127.0.0.1:1", "127.0.0.1:2", folder))
    assert addresses.Sockets(specs.frontends).present() == {str(folder / "0.sock")}
