"""An arm that fails of a sudden and is mended, on a virtual clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from clipper_server.feedback import Rewarded
from clipper_server.management.feedback.feedback import EVERY_S
from clipper_server.management.learning import kinds
from clipper_server.management.learning.memory import Memory
from clipper_server.policies import BanditSpec

ARMS = tuple(f"{letter}:1" for letter in "abcde")
NAMES = list("abcde")
PAIR = NAMES[:2]
BEST, OTHERS, FAILED = 0.9, 0.7, 0.3


def by_the_clock(spec: BanditSpec, seed: int, rate: int) -> tuple[float, float, float]:
    """Seconds until the first arm, which fails for a minute once it is known to be the best, is given less
    than a fifth of a second's queries, and when it is mended more than three fifths, with a table as often as
    management makes one; and its part of the queries of that minute, but for the first ten seconds.
    """
    rng, arms = random.Random(seed), ARMS[: len(spec.arms)]
    memory, eta, epoch, table_at = Memory(), kinds.eta_of(spec), 0, -1.0
    table: list[float] = []
    given = [0.0]  # to the first arm, of all queries up to there
    fails = max(60 * rate, 1200)
    mended = fails + 60 * rate
    for query in range(mended + 30 * rate):
        if query / rate - table_at >= EVERY_S:
            table_at, epoch = query / rate, epoch + 1
            if kinds.notices(spec):
                memory.notice(table_at, eta)
            table = kinds.learn(spec, memory, arms)
            memory.mark(epoch)
        arm = rng.choices(range(len(arms)), table)[0]
        given.append(given[-1] + table[0])
        good = OTHERS if arm else FAILED if fails <= query < mended else BEST
        reward = float(rng.random() < good)
        memory.add([Rewarded(arms[arm], table[arm], reward)], epoch, eta, spec.forget)

    def after(start: int, wanted: Callable[[float], bool]) -> float:
        shares = ((given[end] - given[end - rate]) / rate for end in range(start + 1, len(given)))
        return next((i / rate for i, share in enumerate(shares) if wanted(share)), math.inf)

    probed = (given[mended] - given[fails + 10 * rate]) / (50 * rate)
    return after(fails, lambda share: share < 0.2), after(mended, lambda share: share > 0.6), probed
