"""Checks of lesson 00: what this machine can do."""

from __future__ import annotations

from collections.abc import Collection

from ... import doctor
from ...places.process import ProcessContainerManager
from ..parts import parts
from . import Checked, NotYet, check


@check(
    "environment-machine",
    hints=(
        "Each finding that is bad says what to do. Do it, and run the cell again.",
        "What you set in a terminal, such as CLIPPERLAB_HOME, needs a new start of JupyterLab.",
        "`clipperlab doctor` in a terminal says the same, and *Troubleshooting* below says more.",
    ),
)
def machine(wb: Checked) -> None:
    bad = [f.what for f in doctor.examine(ProcessContainerManager(wb.name)) if f.state == "bad"]
    if bad:
        raise NotYet("\n".join(bad))


@check(
    "environment-lessons",
    hints=(
        "Look at the list of parts above: which of them are missing?",
        "Each part has a name, and says whether it is `there`.",
        "`missing = [part.name for part in parts() if not part.there]`",
    ),
)
def lessons(wb: Checked, missing: Collection[str]) -> None:
    actual = {part.name for part in parts() if not part.there}
    if forgotten := actual - {*missing}:
        raise NotYet(f"This machine lacks more than you named: {', '.join(sorted(forgotten))}.")
    if wrong := {*missing} - actual:
        raise NotYet(f"This machine does have: {', '.join(sorted(wrong))}.")


@check(
    "environment-cluster",
    hints=(
        "Start the cluster, ask it once, and stop it, in this order.",
        "`answer` is what the application said, a dictionary with a `query_id`.",
        "`conn.stop_all(purge=True)` ends the cluster.",
    ),
)
def cluster(wb: Checked, answer: object) -> None:
    if not isinstance(answer, dict) or "query_id" not in answer:
        raise NotYet("No answer came from a cluster yet.")
    if ProcessContainerManager(wb.name).record() is not None:
        raise NotYet("The cluster answered, and still runs.")
