"""Tables as Markdown has them."""

from __future__ import annotations


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Right-aligned, each column as wide as its widest cell."""
    widths = [max(3, *(len(row[i]) for row in [heads, *rows])) for i in range(len(heads))]
    lines = [heads, ["-" * (width - 1) + ":" for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
