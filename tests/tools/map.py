"""Draws the packages and the direction of their imports, from the code: docs/architecture.svg, by `make map`.

Each box is a module, or a folder with so many of them; a line goes from what imports down to what is
imported. Lines that others imply are left out.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

import grimp

from tests.support.notebooks import ROOT

PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGES = {
    "clipperlab": "the workbench: Python API, command line, widgets, lessons",
    "clipper_server": "the runtime: query frontends answer, management decides, places run",
    "clipper_container": "inside a model container, and what all three share: wire, artifacts, errors",
}

WIDTH, MARGIN, HEAD = 960, 24, 46  # pixels, as are all below
BOX, ROW, GAP, BETWEEN = 34, 66, 12, 34
WIDEST = 9  # boxes in a row
ASIDE = 60  # for the arrows that go past a package
LETTER = 7.3  # the width of one, about

HTTP = "starts it, and speaks HTTP: no import"

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Package:
    """A package's own modules and folders, with how many modules each holds, and who of them imports whom."""

    name: str
    sizes: dict[str, int]
    imports: Graph

    def layers(self) -> list[list[str]]:
        """From the top: nothing imports what is in its own row or above. Raises CycleError for circles."""
        depth: dict[str, int] = {}
        for child in TopologicalSorter(self.imports).static_order():
            depth[child] = 1 + max((depth[other] for other in self.imports[child]), default=-1)
        rows = [sorted(c for c in depth if depth[c] == level) for level in range(max(depth.values()) + 1)]
        # One that is too wide becomes several: nothing in it imports anything else in it.
        parts = [(row, -(-len(row) // WIDEST)) for row in rows]
        rows = [row[i::count] for row, count in parts for i in range(count)]
        return _untangled(rows, self.needed())[::-1]

    def needed(self) -> Graph:
        """The imports without those that others imply."""

        def reached(child: str) -> frozenset[str]:
            return self.imports[child].union(*(reached(other) for other in self.imports[child]))

        return {
            child: frozenset(o for o in others if not any(o in reached(p) for p in others - {o}))
            for child, others in self.imports.items()
        }


def packages() -> dict[str, Package]:
    """What is in the code now."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found = {}
    for name in PACKAGES:
        children = {c.rpartition(".")[2]: c for c in graph.find_children(name)}
        sizes = {short: 1 + len(graph.find_descendants(full)) for short, full in children.items()}
        imports = {
            short: frozenset(
                other
                for other, theirs in children.items()
                if other != short
                and graph.direct_import_exists(importer=full, imported=theirs, as_packages=True)
            )
            for short, full in children.items()
        }
        found[name] = Package(name, sizes, imports)
    return found


def crossing() -> set[tuple[str, str]]:
    """Which package imports which."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {
        (one, other)
        for one in PACKAGES
        for other in PACKAGES
        if one != other and graph.direct_import_exists(importer=one, imported=other, as_packages=True)
    }


def draw(found: Mapping[str, Package], crossings: Iterable[tuple[str, str]]) -> str:
    """The picture, as SVG."""
    parts: list[str] = []
    top = MARGIN
    edges: dict[str, tuple[int, int]] = {}
    for name, package in found.items():
        rows = package.layers()
        height = HEAD + len(rows) * ROW - (ROW - BOX) + 16
        parts.append(_box("panel", MARGIN, top, WIDTH - 2 * MARGIN - ASIDE, height, 12))
        parts.append(
            f'<text class="name" x="{MARGIN + 16}" y="{top + 26}">{name}'
            f'<tspan class="what" dx="10">{html.escape(PACKAGES[name])}</tspan></text>'
        )
        places = _places(rows, package.sizes, top + HEAD)
        for child, others in sorted(package.needed().items()):
            parts += [_line(places[child], places[other]) for other in sorted(others)]
        for child, (x, y, width) in places.items():
            size = package.sizes[child]
            parts.append(_box("folder" if size > 1 else "module", x, y, width, BOX, 7))
            label = f'{child}/<tspan class="size" dx="5">{size}</tspan>' if size > 1 else child
            parts.append(f'<text class="label" x="{x + width / 2:.0f}" y="{y + 22}">{label}</text>')
        edges[name] = (top, top + height)
        top += height + BETWEEN
    right = WIDTH - MARGIN - ASIDE
    for n, (one, other) in enumerate(sorted(crossings)):
        x = right + 18 + 16 * n
        begin, end = edges[one][1] - 24, edges[other][0] + 24
        parts.append(_arrow("across", f"M{right} {begin}H{x}V{end}H{right + 3}"))
    bottom, below = edges["clipperlab"][1], edges["clipper_server"][0]
    parts.append(_arrow("http", f"M{MARGIN + 60} {bottom}V{below - 3}"))
    parts.append(f'<text class="what" x="{MARGIN + 74}" y="{(bottom + below) // 2 + 4}">{HTTP}</text>')
    return _SVG.format(height=top - BETWEEN + MARGIN, width=WIDTH, parts="\n  ".join(parts))


def _untangled(rows: list[list[str]], lines: Graph) -> list[list[str]]:
    """Each row in the order of what it hangs on, from the bottom and back, so that few lines cross."""
    others: dict[str, set[str]] = {child: set(theirs) for child, theirs in lines.items()}
    for child, theirs in lines.items():
        for other in theirs:
            others[other].add(child)
    for _ in range(4):
        for way in (rows, rows[::-1]):
            at = {child: (i + 0.5) / len(row) for row in rows for i, child in enumerate(row)}
            for row in way:
                row.sort(key=lambda c: (sum(at[o] for o in others[c]) / (len(others[c]) or 1), c))
                at |= {child: (i + 0.5) / len(row) for i, child in enumerate(row)}
    return rows


def _places(rows: list[list[str]], sizes: Mapping[str, int], top: int) -> dict[str, tuple[float, int, float]]:
    """Left edge, upper edge and width of each box; each row is spread over the panel."""
    left, room = MARGIN + 16, WIDTH - 2 * MARGIN - ASIDE - 32
    found = {}
    for level, row in enumerate(rows):
        labels = [child if sizes[child] == 1 else f"{child}/ {sizes[child]}" for child in row]
        widths = [22 + LETTER * len(label) for label in labels]
        space = (room - sum(widths)) / (len(row) + 1)
        assert space >= GAP / 3, f"{row} are too many for one row"
        x = left + space
        for child, width in zip(row, widths, strict=True):
            found[child] = x, top + level * ROW, width
            x += width + space
    return found


def _line(begin: tuple[float, int, float], end: tuple[float, int, float]) -> str:
    x1, y1 = begin[0] + begin[2] / 2, begin[1] + BOX
    x2, y2 = end[0] + end[2] / 2, end[1]
    bend = (y2 - y1) / 2
    path = f"M{x1:.0f} {y1}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2}"
    return f'<path class="line" d="{path}"/>'


def _box(kind: str, x: float, y: float, width: float, height: float, corner: int) -> str:
    where = f'x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<rect class="{kind}" {where} rx="{corner}"/>'


def _arrow(kind: str, path: str) -> str:
    return f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="-apple-system, \
'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title description">
  <title id="title">The packages of Clipper Lab, and the direction of imports</title>
  <desc id="description">Three packages. clipperlab and clipper_server import clipper_container, and neither
    imports the other. In each, lines go down from what imports to what is imported.</desc>
  <style>
    .ground {{ fill: #f8fafc }} .panel {{ fill: #fff; stroke: #94a3b8 }}
    .module {{ fill: #fff; stroke: #94a3b8 }} .folder {{ fill: #eff6ff; stroke: #2563eb }}
    .line {{ fill: none; stroke: #94a3b8 }} .across {{ fill: none; stroke: #334155; stroke-width: 1.5 }}
    .http {{ fill: none; stroke: #334155; stroke-width: 1.5; stroke-dasharray: 5 4 }} .tip {{ fill: #334155 }}
    text {{ fill: #0f172a }} .name {{ font-size: 16px; font-weight: 600 }}
    .label {{ font-size: 13px; text-anchor: middle }}
    .what, .size {{ fill: #475569; font-size: 12.5px; font-weight: 400 }} .size {{ font-size: 11px }}
    @media (prefers-color-scheme: dark) {{
      .ground {{ fill: #0f172a }} .panel {{ fill: #111c31; stroke: #475569 }}
      .module {{ fill: #1e293b; stroke: #64748b }} .folder {{ fill: #172554; stroke: #60a5fa }}
      .line {{ stroke: #64748b }} .across, .http {{ stroke: #cbd5e1 }} .tip {{ fill: #cbd5e1 }}
      text {{ fill: #f1f5f9 }} .what, .size {{ fill: #cbd5e1 }}
    }}
  </style>
  <defs>
    <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
      <path class="tip" d="M0 0 10 5 0 10z"/>
    </marker>
  </defs>
  <rect class="ground" width="{width}" height="{height}" rx="14"/>
  {parts}
</svg>
"""


def main() -> None:
    PICTURE.write_text(draw(packages(), crossing()))


if __name__ == "__main__":
    main()
