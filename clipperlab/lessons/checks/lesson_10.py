from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..live.asking import SETTLED, UNLUCKY
from . import Checked, NotYet, check

if TYPE_CHECKING:
    import psycopg
    import redis


WAIT = {"no_model_linked", "no_replicas", "starting", "overload"}
GROUP = "predictions"
SOME_COMMANDS = 20

Answering = Callable[[Any, str, str, dict[str, str], Callable[[Any], Any]], object]


@check(
    "live-stream",
    hints=(
        "Is a consumer running? `consumer.poll()` is None as long as it does.",
        "Does the application answer? Ask it: `conn.application('digits').predict(pictures[0].tolist())`.",
        "Run the lesson from the top: its second cell of the section starts `start_on_stream('anna')`.",
    ),
)
def answered(wb: Checked, server: redis.Redis, ids: Sequence[str]) -> None:
    _all_answered(server, ids)


@check(
    "live-back-pressure",
    hints=(
        "Both fillings add the same messages. Only `room` differs.",
        "Run the cell again: a machine that is busy otherwise may have been slow for a moment.",
        "`fill(room=10_000)` first, then `fill(room=50)`, with one consumer that runs.",
    ),
)
def held_back(wb: Checked, ahead_s: float, ahead: int, held_back_s: float, held_back: int) -> None:
    if held_back > 50:
        raise NotYet(f"{held_back} messages waited, though there was room for 50 only.")
    if ahead <= held_back:
        raise NotYet(f"With room for all, only {ahead} messages waited: nobody ran ahead of the consumer.")
    if held_back_s <= ahead_s:
        raise NotYet(f"Adding took {held_back_s:.2f} s with little room, and {ahead_s:.2f} s with much.")


@check(
    "live-killed",
    hints=(
        "What the dead had in their hands is taken over 2.5 s after they took it. Wait a little.",
        "Does the last consumer run? It takes over from the others, as soon as it may.",
        "`consumer = start_on_stream('last')`, and wait until `server.xlen('digits')` is 0.",
    ),
)
def nothing_lost(wb: Checked, server: redis.Redis, ids: Sequence[str]) -> None:
    _all_answered(server, ids)
    if len(ids) < 1000:
        raise NotYet(f"{len(ids)} messages are too few to kill ten consumers in their midst.")


@check(
    "live-outbox",
    hints=(
        "Is the database's consumer running? `on_rows.poll()` is None as long as it does.",
        "What waits: `db.execute('SELECT count(*) FROM outbox').fetchone()`.",
        "`on_rows = start('database', f'--database={database_server.dsn}')` starts a consumer.",
    ),
)
def every_row(wb: Checked, db: psycopg.Connection) -> None:
    waiting = _one(db, "SELECT count(*) FROM outbox")
    if waiting:
        raise NotYet(f"{waiting} changes wait in the outbox.")
    without = "SELECT count(*) FROM pictures WHERE id NOT IN (SELECT picture FROM predictions)"
    if _one(db, without):
        raise NotYet(f"{_one(db, without)} pictures have no prediction.")
    never = "SELECT count(*) FROM predictions WHERE picture NOT IN (SELECT id FROM pictures)"
    if _one(db, never):
        raise NotYet("There is a prediction for a row that never was.")


@check(
    "live-retry",
    hints=(
        "Look at the reasons: `[a['reason'] for a in answers(ids)]`.",
        "The message with three numbers gets the default output; all that waited get the model's own.",
        "Link the model again, `conn.link_model_to_app('digits', 'digits')`, and wait for the backlog.",
    ),
)
def told_apart(wb: Checked, poison: Mapping[str, Any], kept: Sequence[Mapping[str, Any]]) -> None:
    if poison["reason"] != "model_error":
        raise NotYet("What the model cannot answer should be written down with the reason `model_error`.")
    others = {a["reason"] for a in kept} - {""}
    if others:
        raise NotYet(f"What waited for the model should have the model's own answer, and has {others}.")


@check(
    "exercise-live-order",
    hints=(
        "Three things are to be done. After which of them may the message be forgotten?",
        "Ask first, then `server.hset(f'{name}:answers', message, ...)`, and acknowledge last.",
        "`output = ask(json.loads(fields['input']))`, then `server.hset(f'{name}:answers', message, "
        "json.dumps(output))`, then `server.xack(name, GROUP, message)`.",
    ),
)
def survives(wb: Checked | None, server: redis.Redis, answer: Answering) -> None:
    """Kill it before each of its commands in turn: after each death the message is answered or pending."""
    name = "exercise:order"
    for commands in range(SOME_COMMANDS):
        server.delete(name, f"{name}:answers")
        server.xgroup_create(name, GROUP, id="0", mkstream=True)
        message = str(server.xadd(name, {"input": "[1.0, 2.0]"}))
        server.xreadgroup(GROUP, "one", {name: ">"})
        try:
            answer(_Mortal(server, commands), name, message, {"input": "[1.0, 2.0]"}, sum)
        except _Killed:
            if not _written(server, name, message) and not _pending(server, name):
                raise NotYet(
                    f"Killed after {commands} of its commands, it has lost the message: there is no answer, "
                    "and it is not pending."
                ) from None
            continue
        written = _written(server, name, message)
        if written is None:
            raise NotYet(f"There is no answer under the message's id in the hash `{name}:answers`.")
        if json.loads(written) != 3.0:
            raise NotYet(f"The answer should be what ask() returns as JSON, `3.0`, and is `{written}`.")
        if _pending(server, name):
            raise NotYet("It has an answer, and is still pending: acknowledge it, or it is answered again.")
        return
    raise NotYet(f"It needs more than {SOME_COMMANDS} commands for one message. Two are enough.")


@check(
    "exercise-live-reasons",
    hints=(
        "For each of them: would the next try go better? And whose fault is it?",
        "What the model did to this input, it does again. What the service lacks, it lacks for all inputs.",
        "Write down the model's three; ask again after `deadline` and `replica_lost`; wait for the rest.",
    ),
)
def sorted_out(wb: Checked, plan: Mapping[str, str] | None) -> None:
    if plan is None:
        raise NotYet("There is no plan yet.")
    wanted = dict.fromkeys(SETTLED, "write") | dict.fromkeys(UNLUCKY, "again") | dict.fromkeys(WAIT, "wait")
    missing = wanted.keys() - plan.keys()
    if missing:
        raise NotYet(f"The plan says nothing of {', '.join(sorted(missing))}.")
    wrong = sorted(reason for reason in wanted if plan[reason] != wanted[reason])
    if wrong:
        raise NotYet(f"{len(wrong)} of {len(wanted)} are not as we would have it; one of them is {wrong[0]}.")


@check(
    "exercise-live-ghost",
    hints=(
        "Messages that somebody has read are not new. Who may take them, and when?",
        "Start a consumer of another name, with a short `--claim-after-s`.",
        "`consumer = start('stream', f'--redis={stream_server.url}', '--stream=orders', '--name=anna', "
        "'--claim-after-s=1')`, and wait until `server.xlen('orders')` is 0.",
    ),
)
def taken_over(wb: Checked, server: redis.Redis, ids: Sequence[str]) -> None:
    _all_answered(server, ids, "orders")


@check(
    "exercise-live-again",
    hints=(
        "A row is predicted when its pixels are updated, even if they stay the same.",
        "Which rows? `SELECT picture FROM predictions WHERE reason <> ''`.",
        "`UPDATE pictures SET pixels = pixels WHERE id IN "
        "(SELECT picture FROM predictions WHERE reason <> '')`",
    ),
)
def asked_again(wb: Checked, db: psycopg.Connection) -> None:
    waiting = _one(db, "SELECT count(*) FROM outbox")
    if waiting:
        raise NotYet(f"{waiting} changes wait in the outbox. Does a consumer run?")
    defaults = _one(db, "SELECT count(*) FROM predictions WHERE reason <> ''")
    if defaults:
        raise NotYet(f"{defaults} rows still have a default output.")
    rows, asked = _one(db, "SELECT count(*) FROM pictures"), _one(db, "SELECT max(change) FROM predictions")
    if asked >= 2 * rows:
        raise NotYet("All rows were asked again. Those that had the model's own answer did not need it.")


class _Killed(BaseException):
    """Not an Exception: nobody may catch being killed."""


class _Mortal:
    """Redis for somebody who is killed when `commands` are done. A transaction is one command."""

    def __init__(self, server: Any, commands: int) -> None:
        self._server = server
        self._left = [commands]

    def __getattr__(self, name: str) -> Any:
        if name == "pipeline":
            return lambda *args, **options: _MortalPipeline(
                self._server.pipeline(*args, **options), self._left
            )
        return _counted(getattr(self._server, name), self._left)


class _MortalPipeline:
    def __init__(self, pipeline: Any, left: list[int]) -> None:
        self._pipeline = pipeline
        self._left = left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pipeline, name)
        return _counted(found, self._left) if name == "execute" else found

    def __enter__(self) -> _MortalPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.reset()


def _counted(command: Any, left: list[int]) -> Callable[..., Any]:
    def run(*args: Any, **options: Any) -> Any:
        if left[0] == 0:
            raise _Killed
        left[0] -= 1
        return command(*args, **options)

    return run


def _all_answered(server: redis.Redis, ids: Sequence[str], name: str = "digits") -> None:
    if not ids:
        raise NotYet("No message was added.")
    found: Any = server.hmget(f"{name}:answers", list(ids))
    missing = found.count(None)
    if missing:
        raise NotYet(f"{missing} of {len(ids)} messages have no answer.")
    reasons = {json.loads(answer)["reason"] for answer in found} - {""}
    if reasons:
        raise NotYet(f"Some answers are default outputs, because of {', '.join(sorted(reasons))}.")


def _written(server: redis.Redis, name: str, message: str) -> str | None:
    found: Any = server.hget(f"{name}:answers", message)
    return None if found is None else str(found)


def _pending(server: redis.Redis, name: str) -> int:
    found: Any = server.xpending(name, GROUP)
    return int(found["pending"])


def _one(db: psycopg.Connection, query: str) -> int:
    found = db.execute(query.encode()).fetchone()
    return int(found[0]) if found and found[0] is not None else 0
