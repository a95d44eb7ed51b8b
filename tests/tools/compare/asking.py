"""A system that answers: what it is asked, and whether it answers right."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from urllib.error import HTTPError

from clipperlab.load.http_request import post

from .peer import Peer
from .workloads import Task

CLIENTS = 32
TIMEOUT_S = 30
TRIES = 3
WORDS = 200
NOT_AN_ANSWER = (ValueError, LookupError, TypeError)
"""What reading an answer raises that is of another form."""

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LeftOut(Exception):
    """A system is not compared, and the message says why."""


class Asked:
    """A system that listens at `url`."""

    def __init__(self, peer: Peer, url: str) -> None:
        self.peer = peer
        self.url = url

    def requests(self, model: str, rows: Sequence[Sequence[float]]) -> list[bytes]:
        """The bytes that ask the model for each row."""
        asked = [self.peer.request(model, row) for row in rows]
        return [post(self.url + path, json.dumps(body).encode()) for path, body in asked]

    def ask(self, model: str, row: Sequence[float]) -> float:
        """The model's answer. Raises OSError, which tells a refusal's words, or one of NOT_AN_ANSWER."""
        path, body = self.peer.request(model, row)
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with _opener.open(request, timeout=TIMEOUT_S) as answer:
                return self.peer.answer(json.load(answer))
        except HTTPError as refused:
            with refused:
                words = " ".join(refused.read(WORDS).decode(errors="replace").split())
            raise OSError(f"{refused}: {words}") from None

    def is_ready(self, model: str, task: Task) -> bool:
        """Whether it answers the first row, and right: some answer with something else until they are."""
        with suppress(OSError, *NOT_AN_ANSWER):
            return _right(self.ask(model, task.rows[0]), task.right[0])
        return False

    def check(self, model: str, task: Task) -> None:
        """Ask for all rows, many at once, so that nobody may get a neighbour's answer. Raises LeftOut.

        It may refuse twice, for not all of its workers may be up; it may not answer wrong.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                with ThreadPoolExecutor(CLIENTS) as clients:
                    found = list(clients.map(partial(self.ask, model), task.rows))
                break
            except (OSError, *NOT_AN_ANSWER) as error:
                if not tries_left:
                    raise LeftOut(f"It does not answer for {model} when many ask at once: {error}") from None
        wrong = [both for both in zip(found, task.right, strict=True) if not _right(*both)]
        if wrong:
            got, right = wrong[0]
            raise LeftOut(
                f"{len(wrong)} of its {len(found)} answers for {model} are wrong: {got:g}, and not {right:g}"
            )


def _right(found: float, right: float) -> bool:
    return abs(found - right) < 1e-6
