"""Tables: who asks after an epoch gets what is new since."""

from __future__ import annotations

import asyncio

import pytest

from clipper_server.changes import Changes
from clipper_server.feedback import Row, Tables
from clipper_server.management.feedback import tables
from clipper_server.management.feedback.tables import Published


def row(context: str, weight: float = 1.0) -> Row:
    return Row("app", context, {"a": weight})


def test_what_is_new_since_an_epoch_is_given_and_no_more() -> None:
    published = Published(10, [row("kept")], Changes())
    published.publish(11, [row("x"), row("y")])
    published.publish(12, [row("x", 0.5)])
    assert published.after(12) == Tables(12, False, [])
    assert published.after(11) == Tables(12, False, [row("x", 0.5)])
    assert sorted(published.after(10).rows) == [row("x", 0.5), row("y")]


@pytest.mark.parametrize("epoch", [-1, 9, 13])
def test_who_has_an_epoch_that_nobody_knows_gets_all(epoch: int) -> None:
    published = Published(10, [row("kept")], Changes())
    published.publish(12, [row("x"), Row("app", "gone", {})])
    found = published.after(epoch)
    assert (found.epoch, found.whole) == (12, True)
    assert sorted(found.rows) == [row("kept"), row("x")]


def test_that_a_row_is_gone_is_told_for_as_long_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_GONE", 2)
    published = Published(1, [], Changes())
    published.publish(2, [row(str(i)) for i in range(4)])
    published.publish(3, [Row("app", "0", {})])
    published.publish(4, [Row("app", "1", {}), Row("app", "2", {})])
    assert {r.context for r in published.after(3).rows} == {"1", "2"}
    assert published.after(2).whole
    published.publish(5, [row("1")])
    assert published.after(4) == Tables(5, False, [row("1")])


def test_a_poll_waits_for_the_next_epoch() -> None:
    async def main() -> None:
        changes = Changes()
        published = Published(1, [], changes.beside())
        waiting = asyncio.create_task(published.wait(1, 60))
        await asyncio.sleep(0)
        assert not waiting.done()
        published.publish(2, [row("x")])
        assert await waiting == Tables(2, False, [row("x")])
        assert await published.wait(2, 0) == Tables(2, False, [])
        last = asyncio.create_task(published.wait(2, 60))
        await asyncio.sleep(0)
        changes.close()
        assert await last == Tables(2, False, [])

    asyncio.run(main())
