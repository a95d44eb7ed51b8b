"""A hand on a model's cost while it serves, and an eye on its batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipperlab import ClipperConnection


@dataclass(frozen=True)
class Batch:
    """One line of the model's log. Times are those of time.monotonic()."""

    began: float
    ended: float
    inputs: int
    factor: float

    @property
    def took_ms(self) -> float:
        return 1e3 * (self.ended - self.began)


class Stepper:
    """Its files, `factor` and `log`, are those of the model `changing`."""

    def __init__(self, conn: ClipperConnection, model: str, folder: Path) -> None:
        self._conn = conn
        self._model = model
        self.factor = folder / "factor"
        self.log = folder / "log"
        self.set(1)

    def set(self, factor: float) -> None:
        new = self.factor.with_suffix(".new")
        new.write_text(str(factor))
        new.rename(self.factor)  # the model never sees half of it

    def limit(self) -> float:
        """The largest batch that its replica would get now."""
        return float(self._conn.batching(self._model).frontends[0]["replicas"][0]["limit"])

    def batches(self) -> list[Batch]:
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [Batch(float(b), float(e), int(n), float(k)) for b, e, n, k in lines]
