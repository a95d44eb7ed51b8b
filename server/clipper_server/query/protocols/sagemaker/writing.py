"""Outputs as an Accept header wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ...slices import SMALL, Steps
from ...task import Output
from .. import tables
from ..open_inference.outputs import as_tensor, stacked, with_commas
from .bodies import CSV, JSON, LINES, NPY, TYPES

_ANY = {"*/*": JSON, "application/*": JSON, "text/*": CSV}


class Unfit(Exception):
    """The outputs cannot be written like that."""


def wanted(header: bytes | None) -> str | None:
    """The first of our types that an Accept header names; None where it names none of them."""
    if not header or not header.strip():
        return JSON
    for part in header.decode("latin-1").lower().split(","):
        media = part.partition(";")[0].strip()
        media = _ANY.get(media, media)
        if media in TYPES:
            return media
    return None


def written(outputs: Sequence[Output], media: str, *, named: bool) -> Steps[list[bytes]]:
    """The body's parts; `named` as MLflow's clients have them. Raises Unfit."""
    if media == NPY:
        tensors = []
        for output in outputs:
            tensors.append(as_tensor(output))
            yield
        whole = stacked(tensors) if tensors else None
        if whole is None:
            raise Unfit(f"The outputs are no numbers of one shape, which {NPY} needs. Accept {JSON}.")
        return [tables.saved(whole)]
    texts = cast(list[bytes], outputs)  # nobody asked for tensors
    if media == JSON:
        head, tail = (b'{"predictions":[', b"]}") if named else (b"[", b"]")
        return [head, *(yield from with_commas(texts)), tail]
    if media == LINES and texts:
        return [*(yield from with_commas(texts, b"\n")), b"\n"]
    lines = []
    for text in texts:
        lines.append(tables.line(text))
        yield
    return [b"".join(lines[start : start + SMALL]) for start in range(0, len(lines), SMALL)]
