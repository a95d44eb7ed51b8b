"""Small pictures, such as handwritten digits, with what they show and what a model says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from clipper_container.errors import BadRequest

from .drawing import BAD, GOOD, GREY, LETTER, MARGIN, ROW, WIDTH, Drawing, Markup, element, text
from .numbers import known

_SIDE, _GAP, _SHADES = 48, 12, 16


def images(
    rows: Iterable[Any],
    labels: Iterable[Any] = (),
    *,
    answers: Mapping[str, Iterable[Any]] | Iterable[Any] = (),
    title: str = "Pictures",
) -> Drawing:
    """Each row of pixels as a picture, dark on white, with its label, and with a model's answer below.

    A row is as many numbers as a square has, or has a row of its own for each line of pixels. A picture that
    is wider than high is as high as the others, where there is room. An answer that is the label has a ✓
    behind it, and another one a ✗. Answers of several models have their names:
    `answers={"bayes": [...], "svm": [...]}`. Raises BadRequest where there is nothing to draw.

    >>> draw.images(X[:2], y[:2], answers=[0, 7], title="Digits")
    Digits: is 0, says 0 ✓; is 1, says 7 ✗
    """
    pictures = [_pixels(row) for row in rows]
    if not pictures:
        raise BadRequest(f"There is nothing to draw for {title!r}: give a picture at least.")
    truth = [str(label) for label in labels]
    by = answers if isinstance(answers, Mapping) else {"": answers}
    said = {str(name): [str(answer) for answer in each] for name, each in by.items()}
    said = {name: each for name, each in said.items() if each}
    for what, each in {"labels": truth, **said}.items():
        if each and len(each) != len(pictures):
            raise BadRequest(
                f"There are {len(pictures)} pictures and {len(each)} of {what or 'the answers'}."
            )
    dark = max((value for picture in pictures for line in picture for value in line), default=0) or 1.0
    captions = [_captions(i, truth, said) for i in range(len(pictures))]
    widest = max((len(words) for caption in captions for words, _ in caption), default=0)
    breadth = max(map(_breadth, pictures))
    wide = max(breadth, LETTER * widest) + _GAP
    high = _SIDE + ROW * len(captions[0]) + _GAP
    across = max(1, int((WIDTH - 2 * MARGIN + _GAP) // wide))
    nodes: list[Markup] = []
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = MARGIN + (i % across) * wide, 24 + (i // across) * high
        nodes += _painted(picture, x, y, dark)
        for line, (words, colour) in enumerate(caption):
            if colour:
                nodes.append(
                    element("rect", x=x, y=y + _SIDE + 4 + ROW * line, width=3, height=11, fill=colour)
                )
            nodes.append(text(x + (6 if colour else 0), y + _SIDE + 13 + ROW * line, words))
    words = "; ".join(", ".join(words for words, _ in caption) or "a picture" for caption in captions)
    return Drawing(title, words, 24 + math.ceil(len(pictures) / across) * high, nodes)


def _pixels(row: Any) -> list[list[float]]:
    values = _plain(row)
    if values and hasattr(values[0], "__len__") and not isinstance(values[0], str):
        values = [_plain(line) for line in values]
    if values and not isinstance(values[0], list):
        side = math.isqrt(len(values))
        if side * side != len(values):
            raise BadRequest(f"{len(values)} pixels are no square: give a list for each line of them.")
        values = [values[side * line : side * (line + 1)] for line in range(side)]
    if not values:
        raise BadRequest("A picture without pixels cannot be drawn.")
    return [[known(value, what="A pixel") or 0.0 for value in line] for line in values]


def _plain(row: Any) -> list[Any]:
    return row.tolist() if hasattr(row, "tolist") else list(row)


def _captions(i: int, truth: list[str], said: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """What stands below a picture, and the colour beside it."""
    found = [(f"is {truth[i]}" if said else truth[i], "")] if truth else []
    for name, answers in said.items():
        words = f"{name}: {answers[i]}" if name else f"says {answers[i]}"
        right = truth and answers[i] == truth[i]
        found.append((f"{words} {'✓' if right else '✗'}", GOOD if right else BAD) if truth else (words, ""))
    return found


def _breadth(picture: list[list[float]]) -> float:
    return min(WIDTH - 2 * MARGIN, _SIDE * max(1.0, max(map(len, picture)) / len(picture)))


def _painted(picture: list[list[float]], x: float, y: float, dark: float) -> list[Markup]:
    breadth = _breadth(picture)
    size = min(_SIDE / len(picture), breadth / max(map(len, picture)))
    shades: dict[int, str] = {}
    for line, values in enumerate(picture):
        for column, value in enumerate(values):
            shade = round(_SHADES * min(1.0, max(0.0, value / dark)))
            if shade:
                at = f"M{x + column * size:.1f} {y + line * size:.1f}"
                shades[shade] = shades.get(shade, "") + f"{at}h{size:g}v{size:g}h-{size:g}z"
    paths = [
        element("path", d=path, fill="#111111", fill_opacity=f"{shade / _SHADES:g}")
        for shade, path in sorted(shades.items())
    ]
    frame = f"stroke: {GREY}"
    return [element("rect", x=x, y=y, width=breadth, height=_SIDE, fill="#ffffff", style=frame), *paths]
