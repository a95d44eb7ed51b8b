"""The objects of one kind as a watch tells them, and what the server and the network do to watches."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from clipper_server.places.kubernetes.watched import PAUSES_S, Watched
from tests.support.virtual_time import run

Object = dict[str, Any]


def thing(name: str, version: int, **more: Any) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, **more}


def line(kind: str, about: Object) -> bytes:
    return json.dumps({"type": kind, "object": about}).encode() + b"\n"


class Answer:
    """An HTTP response: `pieces` come one after the other, an exception among them breaks it off.

    Where nothing more comes it stays open, unless it `ends`.
    """

    def __init__(
        self,
        *pieces: bytes | Exception,
        status: int = 200,
        headers: dict[str, str] | None = None,
        ends: bool = False,
        lasts_s: float = 0.0,
    ) -> None:
        self.status, self.reason, self.headers = status, "said so", headers or {}
        self._pieces, self._ends, self._lasts_s = pieces, ends, lasts_s
        self.content = self

    async def read(self) -> bytes:
        return b"".join(piece for piece in self._pieces if isinstance(piece, bytes))

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                await asyncio.sleep(self._lasts_s)
                raise piece
            yield piece
        await asyncio.sleep(self._lasts_s if self._ends else 3600)

    def close(self) -> None:
        pass


class Server:
    """Answers as the test says, one after the other, and refuses connections when nothing is left to say."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.script = deque(script)
        self.asked: list[tuple[float, Object]] = []

    async def ask(self, _timeout_s: float, **options: Any) -> Any:
        self.asked.append((asyncio.get_running_loop().time(), options))
        if not self.script:
            raise aiohttp.ClientConnectionError("nobody listens")
        answer = self.script.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def versions(self) -> list[str | None]:
        """Of each watch, where it began; None for a list."""
        return [options.get("resourceVersion") for _, options in self.asked]


def listed(version: int, *names: str) -> Answer:
    items = [thing(name, version) for name in names]
    return Answer(json.dumps({"metadata": {"resourceVersion": str(version)}, "items": items}).encode())


def refusal(status: int, message: str, **headers: str) -> Answer:
    body = json.dumps({"message": message, "code": status}).encode()
    return Answer(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def watching(server: Server, test: Callable[[Watched], Awaitable[None]]) -> None:
    async def main() -> None:
        watched = Watched(server.ask, "app=x")
        task = asyncio.create_task(watched.run())
        try:
            await test(watched)
            assert not task.done(), "it has given up"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_what_is_there_is_listed_and_then_followed_in_whatever_pieces_it_comes() -> None:
    told = (
        line("ADDED", thing("b", 6)) + line("MODIFIED", thing("a", 7, x=1)) + line("DELETED", thing("b", 8))
    )
    server = Server(listed(5, "a"), Answer(told[:30], told[30:31], b"", told[31:]))

    async def test(watched: Watched) -> None:
        await watched.listed.wait()
        await asyncio.sleep(1)
        assert watched.objects == {"a": thing("a", 7, x=1)}
        assert list(watched.gone) == [thing("b", 8)]
        assert server.asked[0][1]["labelSelector"] == "app=x"

    watching(server, test)


def test_a_bookmark_moves_the_place_to_go_on_from_and_is_no_object() -> None:
    server = Server(
        listed(5),
        Answer(line("BOOKMARK", {"metadata": {"resourceVersion": "70"}}), ends=True, lasts_s=50),
        Answer(line("ADDED", thing("a", 71))),
    )

    async def test(watched: Watched) -> None:
        await asyncio.sleep(52)
        assert server.versions == [None, "5", "70"]
        assert list(watched.objects) == ["a"]

    watching(server, test)


@pytest.mark.parametrize(
    "expired",
    [
        refusal(410, "too old resource version"),
        Answer(line("ERROR", {"code": 410, "message": "too old resource version"})),
    ],
    ids=["by its status", "by a line"],
)
def test_a_watch_that_has_expired_begins_with_a_list_which_tells_what_went(expired: Answer) -> None:
    server = Server(listed(5, "a", "b"), expired, listed(9, "b", "c"), Answer())

    async def test(watched: Watched) -> None:
        await asyncio.sleep(1)
        assert server.versions == [None, "5", None, "9"]
        assert sorted(watched.objects) == ["b", "c"]
        assert list(watched.gone) == [thing("a", 5)]
        assert watched.trouble == ""

    watching(server, test)


def test_a_server_that_forgets_at_once_is_not_asked_without_a_pause() -> None:
    script = [answer for i in range(1000) for answer in (listed(i), refusal(410, "too old"))]
    server = Server(*script)

    async def test(watched: Watched) -> None:
        await asyncio.sleep(60)
        assert len(server.asked) < 2 * 40
        assert watched.trouble == "too old"

    watching(server, test)


def test_a_server_that_has_too_much_to_do_is_asked_when_it_says() -> None:
    server = Server(refusal(429, "slow down", Retry_After="7"), listed(5, "a"), Answer())

    async def test(watched: Watched) -> None:
        await watched.listed.wait()
        assert server.asked[1][0] - server.asked[0][0] == pytest.approx(7)
        assert watched.trouble == ""

    watching(server, test)


@pytest.mark.parametrize("say", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "86400"])
def test_a_wait_that_cannot_be_read_or_is_very_long_is_not_kept_to(say: str) -> None:
    server = Server(refusal(429, "slow down", Retry_After=say), listed(5), Answer())

    async def test(watched: Watched) -> None:
        await watched.listed.wait()
        assert server.asked[1][0] <= 30

    watching(server, test)


def test_one_connection_that_is_dropped_is_no_trouble_and_loses_nothing() -> None:
    dropped = aiohttp.ClientPayloadError("not enough data")
    server = Server(
        listed(5),
        Answer(line("ADDED", thing("a", 6)), line("ADDED", thing("b", 7))[:20], dropped),
        Answer(line("ADDED", thing("b", 7))),
    )

    async def test(watched: Watched) -> None:
        troubles = set()
        for _ in range(20):
            await asyncio.sleep(0.05)
            troubles.add(watched.trouble)
        assert server.versions == [None, "5", "6"]
        assert sorted(watched.objects) == ["a", "b"]
        assert troubles == {""}

    watching(server, test)


def test_watches_that_are_dropped_now_and_then_are_never_trouble() -> None:
    dropped = [Answer(ConnectionResetError("reset"), lasts_s=20) for _ in range(50)]
    server = Server(listed(5), *dropped)

    async def test(watched: Watched) -> None:
        for _ in range(9000):
            await asyncio.sleep(0.1)
            assert watched.trouble == ""
        assert len(server.asked) > 40

    watching(server, test)


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>a proxy is here</html>\n",
        b'"a word"\n',
        b"[]\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {}}\n',
        b'{"type": "ADDED", "object": null}\n',
        b'{"type": "ERROR", "object": []}\n',
        b"\xff\xfe\n",
    ],
)
def test_garbage_in_a_line_ends_that_watch_only(garbage: bytes) -> None:
    server = Server(
        listed(5),
        Answer(line("ADDED", thing("a", 6)), garbage),
        Answer(line("ADDED", thing("b", 7))),
    )

    async def test(watched: Watched) -> None:
        await asyncio.sleep(1)
        assert server.versions == [None, "5", "6"]
        assert sorted(watched.objects) == ["a", "b"]

    watching(server, test)


@pytest.mark.parametrize("garbage", [b"<html/>", b"[]", b'{"items": []}', b'{"items": 3, "metadata": {}}'])
def test_a_list_that_is_none_is_asked_for_again(garbage: bytes) -> None:
    server = Server(Answer(garbage), Answer(garbage), listed(5, "a"), Answer())

    async def test(watched: Watched) -> None:
        await asyncio.sleep(0.25)
        assert watched.trouble
        await asyncio.sleep(1)
        assert list(watched.objects) == ["a"]
        assert watched.trouble == ""

    watching(server, test)


def test_while_nobody_answers_what_was_seen_holds_and_the_trouble_is_told_and_taken_back() -> None:
    server = Server(listed(5, "a"), Answer(aiohttp.ClientPayloadError("reset")))

    async def test(watched: Watched) -> None:
        await asyncio.sleep(60)
        assert "nobody listens" in watched.trouble
        assert list(watched.objects) == ["a"]
        assert not watched.gone
        times = [at for at, _ in server.asked]
        assert times[-1] - times[-2] == PAUSES_S[-1]
        server.script.append(Answer(line("MODIFIED", thing("a", 6, x=1))))
        await asyncio.sleep(PAUSES_S[-1] + 0.1)
        assert watched.trouble == ""
        assert watched.objects == {"a": thing("a", 6, x=1)}

    watching(server, test)


def test_a_right_that_is_missing_is_told_in_the_servers_words() -> None:
    server = Server(*(refusal(403, 'pods is forbidden: User "x" cannot list') for _ in range(5)))

    async def test(watched: Watched) -> None:
        await asyncio.sleep(0.5)
        assert watched.trouble == 'pods is forbidden: User "x" cannot list'
        assert not watched.listed.is_set()

    watching(server, test)


def test_watches_that_end_at_once_are_begun_ever_more_slowly() -> None:
    server = Server(listed(5), *(Answer(ends=True) for _ in range(1000)))

    async def test(watched: Watched) -> None:
        await asyncio.sleep(60)
        assert len(server.asked) < 45
        assert watched.trouble == ""

    watching(server, test)
