"""The input types whose inputs have names: which of them knows those how."""

from __future__ import annotations

from collections.abc import Mapping

from . import columns, signature
from .fields import Fields


def fields_of(input_type: str, types: Mapping[str, str] | None) -> Fields | None:
    """What makes inputs of an input type with these names; None where nobody knows them, or it has none."""
    if types is None:
        return None
    return signature.Signature(types) if input_type == "named" else columns.Columns(types)


def check(input_type: str, types: Mapping[str, str]) -> None:
    """Raises BadRequest where no version has such names."""
    (signature if input_type == "named" else columns).check(types)
