"""Draws docs/demo.svg, a picture that moves: what `clipperlab demo` prints, four times as fast.

`make screenshots` runs it. Nothing in it is made up: times and figures are those of this run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from html import escape
from pathlib import Path

from tests.support.home import own_home
from tests.support.notebooks import ROOT

PICTURE = ROOT / "docs" / "demo.svg"
WIDTH, LINE, PAD = 780, 19, 18
SPEED = 4
REST_S = 5.0  # at the end, before it begins again
STYLE = """text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #d6deeb; white-space: pre; }
.typed { fill: #5ec9bd; }
@media (prefers-reduced-motion: no-preference) {
"""


def main() -> None:
    PICTURE.write_text(draw(watch()), encoding="utf-8")


def watch() -> list[tuple[float, str]]:
    """Each line of a demo, and after how many seconds it came."""
    command = [str(Path(sys.executable).parent / "clipperlab"), "demo"]
    with own_home() as home:
        began = time.monotonic()
        environment = {**os.environ, "CLIPPERLAB_HOME": str(home), "COLUMNS": "94", "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            lines = [(time.monotonic() - began, line.rstrip()) for line in demo.stdout]
    if demo.returncode:
        raise SystemExit("The demo did not hold: nothing is drawn.")
    return lines


def draw(lines: list[tuple[float, str]]) -> str:
    """The lines below the command, each appearing at its time, over and over."""
    whole_s = lines[-1][0] / SPEED + REST_S
    typed = f"$ clipperlab demo    # {SPEED} times as fast"
    moves, texts = [], [f'<text class="typed" x="{PAD}" y="{PAD + LINE}">{typed}</text>']
    for number, (at, line) in enumerate(lines):
        if not line:
            continue
        came = 100 * at / SPEED / whole_s
        name = f"line-{number}"
        moves.append(
            f"@keyframes {name} {{ 0%, {came:.2f}% {{ opacity: 0 }} {came + 0.01:.2f}% {{ opacity: 1 }} }}"
        )
        moves.append(f".{name} {{ animation: {name} {whole_s:.1f}s infinite }}")
        place = f'x="{PAD}" y="{PAD + LINE * (number + 2)}"'
        texts.append(f'<text class="{name}" {place} xml:space="preserve">{escape(line)}</text>')
    height = 2 * PAD + LINE * (len(lines) + 1)
    said = escape("What clipperlab demo prints: " + " ".join(line for _, line in lines if line))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{said}</title>",
            "<style>" + STYLE + "\n".join(moves) + "\n}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#0f1b2d"/>',
            *texts,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    main()
