"""How what an older Clipper Lab wrote becomes this one's: a step for each schema, all of them or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

Step = Callable[[sqlite3.Connection], None]
"""Makes the next schema of one. It calls `execute`, one statement at a time: `executescript` would commit
what was done so far. Foreign keys are not enforced meanwhile: it may drop a table and build it anew."""


def migrate(db: sqlite3.Connection, steps: Mapping[int, Step], found: int, wanted: int) -> bool:
    """Bring it from one schema to a later one, and say whether there was a way.

    `steps` has for each schema what makes the next one of it. Called within a transaction. What a step raises
    comes through; `sqlite3.IntegrityError` is raised where rows would refer to nothing afterwards.
    """
    if not found < wanted or not all(schema in steps for schema in range(found, wanted)):
        return False
    for schema in range(found, wanted):
        steps[schema](db)
    if wrong := db.execute("PRAGMA foreign_key_check").fetchone():
        raise sqlite3.IntegrityError(f"a row of {wrong[0]} would refer to none of {wrong[2]}")
    db.execute(f"PRAGMA user_version = {wanted}")
    return True
