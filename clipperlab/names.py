"""What clusters, applications, models, versions and labels may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from clipper_container.errors import BadRequest

_ORIGIN = re.compile(r"[a-z][-+.a-z0-9]*://[^/\\s,?#]+")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VERSION_LABEL = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?")


def check_name(what: str, name: object) -> str:
    """`str(name)`. Raises BadRequest unless it is a DNS label (RFC 1123), as container managers need it."""
    text = str(name)
    if not _LABEL.fullmatch(text):
        raise BadRequest(
            f"The {what} name {text!r} cannot be used: take lower-case letters, digits and hyphens, at most "
            "63 of them, with a letter or a digit at both ends."
        )
    return text


def check_version_label(label: str) -> str:
    """Raises BadRequest where it is nothing by which clients may ask for a version."""
    if not _VERSION_LABEL.fullmatch(label):
        raise BadRequest(
            f"The version label {label!r} cannot be used: take letters, digits, hyphens and underscores, at "
            "most 63 of them, with a letter or a digit at both ends."
        )
    return label


def check_origins(origins: Sequence[str]) -> list[str]:
    """Origins of web pages. Raises BadRequest where one is none."""
    if isinstance(origins, str):
        origins = [origins]
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise BadRequest(
                f"The origin {origin!r} is none: it has a scheme, a host and perhaps a port, as in "
                "https://example.com or http://localhost:8000."
            )
    return list(origins)


def check_labels(labels: Iterable[object] | None) -> list[str]:
    """A version's labels, none where that is None. Raises BadRequest where one cannot be used."""
    if isinstance(labels, str):
        raise BadRequest(f"labels must be a list: [{labels!r}], not {labels!r}.")
    return [check_name("label", label) for label in labels or ()]
