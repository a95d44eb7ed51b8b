"""How a database is opened, and what an older Clipper Lab wrote becomes this one's: by steps, all or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Step = Callable[[sqlite3.Connection], None]
"""Makes the next schema of one. It calls `execute`, one statement at a time: `executescript` would commit
what was done so far, and is refused. Foreign keys are not enforced meanwhile: it may drop a table and build
it anew."""


@contextmanager
def opening(db: sqlite3.Connection) -> Iterator[None]:
    """Closes it where what is done to it raises: nobody else has it yet."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def is_way(steps: Mapping[int, Step], found: int, wanted: int) -> bool:
    """Whether the steps lead from one schema to a later one."""
    return found < wanted and all(schema in steps for schema in range(found, wanted))


def keep(db: sqlite3.Connection, path: Path, found: int) -> Path:
    """A copy of it as it is, beside it, for who wants to go back to the Clipper Lab that wrote it."""
    copy = path.with_name(f"{path.stem}-{found}{path.suffix}")
    copy.unlink(missing_ok=True)
    db.execute("VACUUM INTO ?", (str(copy),))
    return copy


def migrate(db: sqlite3.Connection, steps: Mapping[int, Step], found: int, wanted: int) -> None:
    """Bring it from one schema to a later one.

    `steps` has for each schema what makes the next one of it. Called within a transaction, which no step can
    end. What a step raises comes through; `sqlite3.IntegrityError` is raised where rows would refer to
    nothing afterwards.
    """
    db.set_authorizer(_no_end)
    try:
        for schema in range(found, wanted):
            steps[schema](db)
    finally:
        db.set_authorizer(None)
    if wrong := db.execute("PRAGMA foreign_key_check").fetchone():
        raise sqlite3.IntegrityError(f"a row of {wrong[0]} would refer to none of {wrong[2]}")
    db.execute(f"PRAGMA user_version = {wanted}")


def _no_end(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK
