"""Pictures of what was measured, as SVG that needs no kernel: `draw.bars`, `lines`, `stacked` and `images`.

from clipperlab import draw
draw.bars({"1": 0.91, "2": 0.97}, title="Accuracy by version", unit="%")
"""

from .chart import lines
from .drawing import Drawing
from .lengths import bars, stacked
from .pixels import images

__all__ = ["Drawing", "bars", "images", "lines", "stacked"]
