"""What an image installs: the versions that are installed here, and by hashes where these are known."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from ..packages import name_of, pinned

LOCKED = Path(__file__).with_name("locked.txt")
"""Versions of what most images install, each with the hashes of all its files. `make lock` writes it."""

_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}


class Requirements(NamedTuple):
    """Two of pip's files. What is `locked` has hashes, and asks for nothing that is not there too."""

    locked: str
    others: str


def of(packages: Iterable[str]) -> Requirements:
    """Of these packages, by name, and of all that they ask for on Linux.

    One goes without hashes where the lock has another version of it, or of what it asks for; and one that is
    not installed here is the newest.
    """
    known = _locked()
    hashed: set[str] = set()
    others: list[str] = []
    for package in packages:
        found = _asked(package)
        if all(known.get(name, (None, ""))[0] == version for name, version in found.items()):
            hashed |= found.keys()
        else:
            others += pinned(package) or [package]
    return Requirements(_text(known[name][1] for name in sorted(hashed)), _text(others))


def together(packages: Iterable[str]) -> Requirements:
    """Of packages for which pip finds all that they ask for."""
    return Requirements("", _text(packages))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _asked(package: str) -> dict[str, str]:
    """The versions of a package and of all that it asks for; "" of what is not installed here."""
    # Not at the top: whoever only asks for a model's prediction has no such package.
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    left = [name_of(package)]
    while left:
        name = left.pop()
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            found[name] = ""
            continue
        found[name] = installed.version.partition("+")[0]
        for line in installed.requires or ():
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate(_LINUX):
                left += {name_of(asked.name)} - found.keys()
    return found


@cache
def _locked() -> dict[str, tuple[str, str]]:
    """By package: the version, and the line with its hashes."""
    text = LOCKED.read_text(encoding="utf-8").replace("\\\n", "")
    found = {}
    for line in text.splitlines():
        name, _, version = line.partition(" ")[0].partition("==")
        if version:
            found[name_of(name)] = version, " ".join(line.split())
    return found
