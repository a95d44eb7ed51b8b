"""A name that nobody knows, and the one that was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

LONGEST = 100  # letters of a name that are looked at, and told
MOST = 1000  # names that it is compared with


def near(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Those that are written nearly like it, the nearest first."""
    return get_close_matches(name[:LONGEST], list(islice(known, MOST)), most)


def meant(name: str, known: Iterable[str]) -> str:
    """ " Did you mean 'digits'?", to stand after a sentence; "" where nothing is near."""
    return "".join(f" Did you mean {each!r}?" for each in near(name, known))


def unknown(what: str, name: str, listed: str, known: Iterable[str]) -> str:
    """ "There is no model 'digts'. Did you mean 'digits'? Models: digits, norm." """
    names = list(known)
    told = ", ".join(names) or "none yet"
    return f"There is no {what} {name[:LONGEST]!r}.{meant(name, names)} {listed}: {told}."
