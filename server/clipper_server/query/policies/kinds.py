"""Makes a policy of what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ...policies import PolicySpec, SplitSpec
from . import Policy
from .first import First
from .split import Split
from .vote import Vote


def policy_of(spec: PolicySpec | None, linked: Sequence[str]) -> Policy:
    if spec is None:
        return First(linked)
    return Split(spec) if isinstance(spec, SplitSpec) else Vote(spec)
