"""The locks with hashes have what constraints.txt pins, for all that the lab and the checks need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.test_release import PROJECT
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


def needed(extra: str) -> list[Requirement]:
    """All that the project's extra asks for on this system, without torch and what it asks for alone."""
    seen: set[tuple[str, str]] = set()

    def follow(name: str, extra: str) -> Iterator[Requirement]:
        if (name, extra) in seen:
            return
        seen.add((name, extra))
        for line in distribution(name).requires or ():
            asked = Requirement(line)
            of = canonicalize_name(asked.name)
            if of == "torch" or not (asked.marker is None or asked.marker.evaluate({"extra": extra})):
                continue
            yield asked
            for each in {"", *asked.extras}:
                yield from follow(of, each)

    return [asked for asked in follow("clipperlab", extra) if asked.name != "clipperlab"]


EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CONSTRAINTS = pinned("constraints.txt")


BROUGHT = {
    "locked/lab.txt": ["lab"],
    "locked/dev.txt": ["dev"],
    "locked/binder.txt": ["lab", "workshop"],
    "clipperlab/images/locked.txt": ["server", "sklearn", "frames", "onnx"],
}


@pytest.mark.parametrize("path", BROUGHT)
def test_a_lock_has_a_hash_and_the_tested_version_of_each_package(path: str) -> None:
    assert [line for line in lines(path) if not HASH.search(line)] == []
    locked = pinned(path)
    both = locked.keys() & CONSTRAINTS.keys()
    assert {name: locked[name] for name in both} == {name: CONSTRAINTS[name] for name in both}


@pytest.mark.parametrize(("path", "extras"), BROUGHT.items())
def test_a_lock_has_all_that_its_extras_bring_but_torch(path: str, extras: list[str]) -> None:
    brought = {canonicalize_name(asked.name) for extra in extras for asked in needed(extra)}
    assert len(brought) > 40
    assert brought - pinned(path).keys() == set()
    assert brought - CONSTRAINTS.keys() - {"setuptools"} == set()  # which pip brings itself


def test_binders_lock_has_what_shows_the_page_of_lesson_09() -> None:
    assert "jupyter-server-proxy" in pinned("locked/binder.txt")


def test_nothing_is_pinned_that_no_lock_has() -> None:
    assert CONSTRAINTS.keys() - pinned("locked/dev.txt").keys() == {"pip", "torch"}


def test_one_set_of_versions_has_all_that_the_extras_ask_for_so_they_go_together_and_alone() -> None:
    """But tensorflow, which `make release` looks for in the index, with the others."""
    extras = {"dev"}
    for _ in range(3):  # extras that bring others
        extras |= {each for name in extras for own in EXTRAS[name] for each in own_extras(own)}
    assert EXTRAS.keys() - extras == {"tensorflow"}
    locked = pinned("locked/dev.txt") | {"torch": CONSTRAINTS["torch"]}
    for asked in [*needed("dev"), *map(Requirement, EXTRAS["torch"])]:
        version = locked[canonicalize_name(asked.name)]
        assert asked.specifier.contains(version, prereleases=True), asked


def own_extras(line: str) -> set[str]:
    asked = Requirement(line)
    return asked.extras if asked.name == "clipperlab" else set()


def test_a_bound_above_has_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    bounds = [line for line in lines if re.match(r'\s+"[\w.-]+[^"]*<', line)]
    assert len(bounds) >= 4
    assert [line for line in bounds if "# " not in line] == []
