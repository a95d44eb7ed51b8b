"""The keys that tokens are signed with: one more from time to time, and none longer than it is needed."""

from __future__ import annotations

import secrets

import msgspec

from ..state import State

PERIOD_S = 12 * 3600.0
SLACK_S = 600.0
"""For frontends that hear of a new key late, and clocks that differ."""
_NAME = "feedback_keys"


class _Key(msgspec.Struct, frozen=True):
    key: str
    made: float


class Keys:
    """In the state. They are in snapshots, and nowhere else."""

    def __init__(self, state: State) -> None:
        self._state = state

    def look(self, now: float) -> bool:
        """Make, change and drop keys as it is time to. Returns whether frontends must learn of it.

        The last but one signs, from when the last was made.
        """
        windows = [a.feedback.window_s for a in self._state.applications() if a.feedback is not None]
        keys = msgspec.json.decode(self._state.get(_NAME) or "[]", type=list[_Key])
        kept = list(keys)
        if windows and not kept:
            kept = [_Key(secrets.token_hex(32), now), _Key(secrets.token_hex(32), now)]
        elif windows and now >= kept[-1].made + PERIOD_S:
            kept.append(_Key(secrets.token_hex(32), now))
        longest = max(windows, default=0.0) + SLACK_S
        # A key has signed until the one after the next was made.
        kept = [key for i, key in enumerate(kept) if i + 2 >= len(kept) or kept[i + 2].made + longest > now]
        if kept == keys:
            return False
        self._state.set_for_frontends(_NAME, msgspec.json.encode(kept).decode())
        return True


def of(state: State) -> list[str]:
    return [each.key for each in msgspec.json.decode(state.get(_NAME) or "[]", type=list[_Key])]
