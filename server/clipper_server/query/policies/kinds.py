"""Makes a policy of what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...policies import CascadeSpec, LearnerSpec, LinTSSpec, PolicySpec, SplitSpec
from ..learned import Rows
from . import Policy
from .cascade import Cascade
from .first import First
from .learner import Learner
from .lints import LinTS
from .split import Split
from .vote import Vote


def policy_of(
    spec: PolicySpec | None, linked: Sequence[str], learned: Rows, complain: Callable[[str, str], None]
) -> Policy:
    """`learned` are the application's rows, which change while it answers. `complain` is told what a
    version, as model:version, does wrong.
    """
    if spec is None:
        return First(linked)
    if isinstance(spec, LinTSSpec):
        return LinTS(spec, learned)
    if isinstance(spec, LearnerSpec):
        return Learner(spec, learned)
    if isinstance(spec, CascadeSpec):
        return Cascade(spec, complain)
    return Split(spec) if isinstance(spec, SplitSpec) else Vote(spec, learned)
