"""Whether a version could answer, by what is wanted of it and by what frontends report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from clipper_container.errors import BadRequest
from clipper_server.management.able import check_able, check_replicas, why_not
from clipper_server.management.state import Autoscaling, Version

VERSION = Version("m", "1", "doubles", "digest", [], 1, state="ready")


@dataclass
class Seen:
    """What frontends report."""

    ready: set[str] = field(default_factory=set)
    serve: bool = True
    wakes: bool = False

    def serving(self) -> bool:
        return self.serve

    def ready_replicas(self, _model: str, _version: str) -> set[str]:
        return self.ready

    def waking(self, _model: str, _version: str) -> bool:
        return self.wakes


def why(seen: Seen, **changes: Any) -> str | None:
    return why_not(msgspec.structs.replace(VERSION, **changes), cast(Any, seen))


def test_with_a_replica_it_could() -> None:
    assert why(Seen({"0"})) is None


def test_one_that_comes_when_it_is_asked_for_could() -> None:
    assert why(Seen(), num_replicas=0, autoscaling=Autoscaling(0, 3)) is None


def test_one_that_is_on_its_way_up_as_frontends_report_could() -> None:
    assert why(Seen(wakes=True), autoscaling=Autoscaling(0, 3)) is None


def test_one_that_is_scaled_automatically_and_whose_replicas_are_gone_could_not() -> None:
    for bounds in Autoscaling(1, 3), Autoscaling(0, 3):
        assert str(why(Seen(), autoscaling=bounds)).startswith("No replica of m:1 is ready to answer.")
        assert why(Seen({"0"}), autoscaling=bounds) is None


def test_one_without_replicas_could_not() -> None:
    assert why(Seen(), num_replicas=0) == (
        "m:1 has no replicas, and could answer nothing: set_num_replicas gives it some."
    )
    with pytest.raises(BadRequest, match="has no replicas"):
        check_replicas(msgspec.structs.replace(VERSION, num_replicas=0))


def test_one_whose_replicas_are_gone_could_not_until_one_is_back() -> None:
    assert str(why(Seen())).startswith("No replica of m:1 is ready to answer.")
    assert str(why(Seen(), artifact=None)).startswith("m:1 runs elsewhere, and no replica of it has dialed")
    check_replicas(VERSION)
    with pytest.raises(BadRequest, match="No replica of m:1 is ready"):
        check_able(VERSION, cast(Any, Seen()))


def test_while_no_frontend_serves_nobody_knows() -> None:
    assert why(Seen(serve=False)) is None
