"""Messages of the wire: liars beside an honest replica, in virtual time."""

from __future__ import annotations

import logging
from random import Random

from tests.support.liars import World, step

MESSAGES = 10_000  # in one world: so many have to be said again to see what went wrong


def run(count: int, seed: int) -> str:
    """Say so many messages. Raises AssertionError, with the seed to begin again with, where one did harm."""
    logging.disable()
    said = answered = 0
    while said < count:
        world, random = World(1 + 3 * (seed % 2)), Random(seed)
        try:
            while world.said < min(MESSAGES, count - said):
                step(world, random)
            world.end()
        except Exception as error:
            error.add_note(f"seed {seed}, after {world.said} messages: --seed {seed} says them again")
            raise
        said += world.said
        answered += world.answered
        seed += 1
    return f"{said:,} messages; a neighbour asked {answered:,} times, and was answered each time"
