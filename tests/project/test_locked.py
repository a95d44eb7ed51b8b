"""The locks with hashes have what constraints.txt pins, for all that the lab and the checks need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.notebooks import ROOT

HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}\b")


def lines(path: str) -> list[str]:
    """The requirements of a file, each with its hashes."""
    text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", "")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pinned(path: str) -> dict[str, str]:
    """The versions that a file has, by package; of another system's packages too."""
    found: dict[str, str] = {}
    for line in lines(path):
        requirement = Requirement(line.partition(" --hash")[0])
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


def needed(extra: str) -> set[str]:
    """All that the project's extra brings on this system, without torch and what comes with it alone."""
    seen: set[tuple[str, str]] = set()

    def follow(name: str, extra: str) -> Iterator[str]:
        if (name, extra) in seen:
            return
        seen.add((name, extra))
        for line in distribution(name).requires or ():
            asked = Requirement(line)
            of = canonicalize_name(asked.name)
            if of == "torch" or not (asked.marker is None or asked.marker.evaluate({"extra": extra})):
                continue
            yield of
            for each in {"", *asked.extras}:
                yield from follow(of, each)

    return set(follow("clipperlab", extra)) - {"clipperlab"}


CONSTRAINTS = pinned("constraints.txt")


@pytest.mark.parametrize("extra", ["lab", "dev"])
def test_a_lock_has_a_hash_and_the_tested_version_of_each_package(extra: str) -> None:
    assert [line for line in lines(f"locked/{extra}.txt") if not HASH.search(line)] == []
    locked = pinned(f"locked/{extra}.txt")
    both = locked.keys() & CONSTRAINTS.keys()
    assert {name: locked[name] for name in both} == {name: CONSTRAINTS[name] for name in both}


@pytest.mark.parametrize("extra", ["lab", "dev"])
def test_a_lock_has_all_that_its_extra_brings_but_torch(extra: str) -> None:
    brought = needed(extra)
    assert len(brought) > 100
    assert brought - pinned(f"locked/{extra}.txt").keys() == set()
    assert brought - CONSTRAINTS.keys() - {"setuptools"} == set()  # which pip brings itself


def test_nothing_is_pinned_that_no_lock_has() -> None:
    assert CONSTRAINTS.keys() - pinned("locked/dev.txt").keys() == {"pip", "torch"}
