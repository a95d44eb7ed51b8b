"""A shadow: how often it agrees with the version that answers, and where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipper_container.differences import differences

from .. import draw
from .beside import beside
from .table import table

if TYPE_CHECKING:
    import pandas

    from ..management import Management
    from ..management import Shadow as Told

PERCENTILES = ("p50", "p95", "p99")


class Shadow:
    """The last shadow of a model, as it is whenever it is looked at: `conn.shadow("digits")`.

    >>> shadow = conn.start_shadow("digits", 1, fraction=1)
    >>> answers = conn.application("digits").predict(X[:100])
    >>> shadow.state
    'running'
    """

    def __init__(self, management: Management, model: str) -> None:
        self._management = management
        self.model = model

    @property
    def all(self) -> list[Told]:
        """All shadows of the model, the last one at the end.

        >>> started = conn.start_shadow("digits", 1)
        >>> conn.shadow("digits").all[-1]["version"]
        '1'
        """
        return self._management.shadows(self.model)

    @property
    def now(self) -> Told:
        """All about it, in plain values.

        >>> conn.start_shadow("digits", 1, fraction=0.5).now["fraction"]
        0.5
        """
        return self.all[-1]

    @property
    def state(self) -> str:
        """running, stopped or promoted.

        >>> conn.start_shadow("digits", 1).state
        'running'
        """
        return self.now["state"]

    def agreement(self) -> tuple[float, float, float] | None:
        """The share of the pairs in which both said the same, and its 95 % interval; None without a pair.

        >>> conn.start_shadow("digits", 1).agreement() is None
        True
        """
        seen = self.now["seen"]
        if seen["agreement"] is None or seen["low"] is None or seen["high"] is None:
            return None
        return seen["agreement"], seen["low"], seen["high"]

    def pairs(self, limit: int = 1000, *, differing: bool = False) -> list[dict[str, Any]]:
        """What both said, the newest first, in plain values; with `differing` only where they differ.

        >>> conn.start_shadow("digits", 1).pairs(limit=10, differing=True)
        []
        """
        return self._management.shadow_pairs(self.model, limit, differing)

    def diff(self, limit: int = 1000, *, tolerance: float | None = None) -> pandas.DataFrame:
        """The last `limit` pairs as a table: disagreements first, and then the newest first.

        `differs` names the places of an output that differ, such as "label" or "scores.3", or "output";
        numbers within `tolerance`, or without one within the shadow's, are alike. A version that had no
        answer has its reason in the place of one, and milliseconds are missing where the cache knew the
        output. Needs pandas.

        >>> table = conn.start_shadow("digits", 1).diff(tolerance=0.01)
        >>> disagreements = table[table["differs"] != ""]
        """
        import pandas

        within = self.now["tolerance"] if tolerance is None else tolerance
        rows = [row_of(pair, within) for pair in self.pairs(limit)]
        columns = ["at", "input", "before", "after", "differs", "before_ms", "after_ms", "query_id"]
        found = pandas.DataFrame(rows, columns=columns)
        found["at"] = pandas.to_datetime(found["at"], unit="s").dt.round("ms")
        return found.sort_values("differs", key=lambda places: places == "", kind="stable", ignore_index=True)

    def stop(self, message: str = "") -> None:
        """Ask it no more. Raises NotFound where it has ended.

        >>> shadow = conn.start_shadow("digits", 1)
        >>> shadow.stop("seen enough")
        >>> shadow.state
        'stopped'
        """
        self._management.end_shadow(self.model, "stop", message)

    def promote(self, message: str = "") -> None:
        """Make it the current version, which ends the shadow. Raises NotFound where it has ended, and
        BadRequest where it cannot be current.

        >>> conn.start_shadow("digits", 1).promote("they agree")
        >>> conn.get_current_model_version("digits")
        '1'
        """
        self._management.end_shadow(self.model, "promote", message)

    def __repr__(self) -> str:
        return "\n".join(f"{what}: {value}" for what, value in _rows(self.now))

    def _repr_html_(self) -> str:
        told = self.now
        seen = told["seen"]
        page = table(["shadow", f"{told['model']}:{told['version']}"], [[*row] for row in _rows(told)])
        became = {"the same": seen["same"], "different": seen["compared"] - seen["same"]}
        became |= {"only the shadow answered": seen["mended"], **seen["failed"]}
        became = {what: count for what, count in became.items() if count}
        drawings = [draw.stacked({"pairs": became}, title="What both said")] if became else []
        waited = {
            f"{which} {name}": ms
            for name in PERCENTILES
            for which, side in (("current", seen["before_ms"]), ("shadow", seen["after_ms"]))
            if (ms := side[name]) is not None
        }
        if waited:
            drawings.append(draw.bars(waited, title="From the queue to the reply", unit="ms"))
        return page + beside(*drawings)


def row_of(pair: dict[str, Any], tolerance: float) -> dict[str, Any]:
    """What is told of one pair, by column."""
    before, after = pair["before"], pair["after"]
    if "output" in before and "output" in after:
        places = differences(before["output"], after["output"], tolerance)
        differs = ", ".join(place or "output" for place in places)
    else:
        differs = "" if pair["same"] else "output"
    return {
        **{name: pair[name] for name in ("at", "input", "query_id")},
        **{"before": _in_short(before), "after": _in_short(after), "differs": differs},
        **{"before_ms": before["ms"], "after_ms": after["ms"]},
    }


def _in_short(said: dict[str, Any]) -> Any:
    if "output" in said:
        return said["output"]
    if "reason" in said:
        return f"{said['reason']}: {said['text']}"
    return f"{said['size']} bytes, too many to keep"


def _rows(told: Told) -> list[tuple[str, str]]:
    seen = told["seen"]
    agreement = ""
    if seen["agreement"] is not None:
        agreement = f"{seen['agreement']:.1%}, surely {seen['low']:.1%} to {seen['high']:.1%} (95 %)"
    within = f", numbers within {told['tolerance']:g}" if told["tolerance"] else ""
    rows = [
        ("state", told["state"]),
        ("asked for", f"{told['fraction']:.0%} of the inputs"),
        ("compared", f"{seen['compared']:,}{within}"),
        ("agreement", agreement),
        ("had no answer", _by_reason(seen["failed"])),
        ("alone had one", f"{seen['mended']:,}" if seen["mended"] else ""),
        ("not asked", _by_reason(seen["shed"])),
    ]
    return [(what, value) for what, value in rows if value]


def _by_reason(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
