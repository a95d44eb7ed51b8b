"""What is counted of one application's feedback, over all of its contexts."""

from __future__ import annotations

import msgspec


class ArmCounts(msgspec.Struct, array_like=True):
    """`chosen` how often it was asked, `times` how often rewarded, and the sum of these rewards."""

    chosen: int = 0
    times: int = 0
    reward: float = 0.0


class Counts(msgspec.Struct, array_like=True):
    """`decided` and `joined` are queries, `forgotten` contexts. Default rewards count from `since` on, in
    seconds since 1970, where there are any, and have been given to all that was decided before `closed`; for
    so many decisions there was `no_room` to wait for the end of their window.
    """

    joined: int = 0
    duplicates: int = 0
    expired: int = 0
    forgotten: int = 0
    arms: dict[str, ArmCounts] = {}
    since: float | None = None
    closed: int = 0
    no_room: int = 0
    decided: int = 0

    def arm(self, name: str) -> ArmCounts:
        found = self.arms.get(name)
        if found is None:
            found = self.arms[name] = ArmCounts()
        return found
