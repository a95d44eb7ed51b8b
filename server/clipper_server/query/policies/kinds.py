"""Makes a policy of what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ...policies import LearnerSpec, LinTSSpec, PolicySpec, SplitSpec
from ..learned import Rows
from . import Policy
from .first import First
from .learner import Learner
from .lints import LinTS
from .split import Split
from .vote import Vote


def policy_of(spec: PolicySpec | None, linked: Sequence[str], learned: Rows) -> Policy:
    """`learned` are the application's rows, which change while it answers."""
    if spec is None:
        return First(linked)
    if isinstance(spec, LinTSSpec):
        return LinTS(spec, learned)
    if isinstance(spec, LearnerSpec):
        return Learner(spec, learned)
    return Split(spec) if isinstance(spec, SplitSpec) else Vote(spec, learned)
