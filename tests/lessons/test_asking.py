from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from clipperlab.lessons.live.asking import Answer, Asker, Unavailable

pytestmark = pytest.mark.anyio


def default(reason: str) -> dict[str, Any]:
    return {
        "query_id": 7,
        "output": -1,
        "default": True,
        "default_reason": reason,
        "default_explanation": f"It is {reason}.",
    }


OWN = {"query_id": 8, "output": 3, "default": False}


class Application:
    """Gives one reply after the other, the last for ever; time passes by pauses alone."""

    def __init__(self, replies: Sequence[dict[str, Any] | int | Exception]) -> None:
        self._replies = list(replies)
        self.asked: list[Any] = []
        self.pauses: list[float] = []
        self.time = 0.0

    def reply(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content)["input"])
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, int):
            return httpx2.Response(reply, json={"cause": "the cause"})
        return httpx2.Response(200, json=reply)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds + 0.01

    async def ask(self) -> Answer:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self.reply)) as http:
            asker = Asker("http://app/predict", http, pause=self.pause, now=lambda: self.time)
            return await asker.ask([1.0])


async def test_the_models_own_answer_has_no_reason() -> None:
    application = Application([OWN])
    assert await application.ask() == Answer(3, "", 8)
    assert application.asked == [[1.0]]


@pytest.mark.parametrize("reason", ["model_error", "wrong_output_length", "bad_output"])
async def test_what_the_model_would_do_again_is_not_asked_again(reason: str) -> None:
    application = Application([default(reason), OWN])
    assert await application.ask() == Answer(-1, reason, 7)
    assert len(application.asked) == 1


@pytest.mark.parametrize("reason", ["deadline", "replica_lost"])
async def test_bad_luck_is_asked_again_and_then_believed(reason: str) -> None:
    assert await Application([default(reason), default(reason), OWN]).ask() == Answer(3, "", 8)
    unlucky = Application([default(reason)])
    assert await unlucky.ask() == Answer(-1, reason, 7)
    assert len(unlucky.asked) == 3


@pytest.mark.parametrize(
    "reply",
    [
        default("no_model_linked"),
        default("no_replicas"),
        default("starting"),
        default("overload"),
        429,
        503,
        404,
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("silent"),
    ],
)
async def test_waits_for_a_while_where_nobody_can_answer(reply: dict[str, Any] | int | Exception) -> None:
    assert await Application([reply] * 6 + [OWN]).ask() == Answer(3, "", 8)
    away = Application([reply])
    with pytest.raises(Unavailable):
        await away.ask()
    assert 2.0 < away.time < 2.6, "it waits for 2 s, and then says so"
    assert max(away.pauses) <= 0.5


async def test_bad_luck_while_nobody_can_answer_ends_too() -> None:
    application = Application([default("deadline"), default("starting")] * 2 + [default("deadline")])
    assert (await application.ask()).reason == "deadline"


@pytest.mark.parametrize("status", [400, 413])
async def test_an_input_that_is_refused_is_answered_so(status: int) -> None:
    application = Application([status, OWN])
    answer = await application.ask()
    assert answer.output is None
    assert answer.reason.startswith("refused")
    assert "the cause" in answer.reason
    assert len(application.asked) == 1
