"""What pip may be asked to install for a model: packages, and no options or commands."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement

from clipper_container.errors import BadRequest

_FILES = (".whl", ".tar.gz", ".zip")


def check_requirements(asked: Iterable[str]) -> None:
    """Raises BadRequest for what is neither a requirement as PEP 508 has it nor a distribution's file."""
    for text in asked:
        if not _is_file(text) and not _is_requirement(text):
            raise BadRequest(
                f"pip cannot be asked for {text[:200]!r}. Give a package's name, with its versions "
                "('lightgbm==4.6') or where it comes from ('name @ git+https://...'), as PEP 508 has it; or "
                "the path of a wheel. pip's own settings belong into pip's configuration where the cluster "
                "runs."
            )


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return text.isprintable()


def _is_file(text: str) -> bool:
    return text.endswith(_FILES) and text.isprintable() and not text.startswith("-")
