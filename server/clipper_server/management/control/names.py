"""What applications, models, versions and labels may be called."""

from __future__ import annotations

import re

from clipper_container.articles import with_article
from clipper_container.errors import BadRequest

_LABEL = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_name(what: str, name: str) -> None:
    """Raises BadRequest where `name` is no DNS label, which containers and Kubernetes need it to be."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the name of {with_article(what)}: use lower-case "
            "letters, digits and hyphens, at most 63, beginning and ending with a letter or digit."
        )


def check_version_label(name: str) -> None:
    """Raises BadRequest where `name` is nothing by which clients may ask for a version."""
    if not _LABEL.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the label of a version: use letters, digits, hyphens and underscores, at "
            "most 63, beginning and ending with a letter or digit."
        )
