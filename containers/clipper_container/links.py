"""A container's connections to the query frontends.

Finds the frontends (looked up again every second), dials those that are new, says hello, takes in batches,
and sends replies.

Whoever holds the baton reads the sockets. While the model has nothing to do that is the main thread itself,
so that a lone query does not wait for one thread to wake another; while the model computes it is the wire
thread, so that a frontend that comes, goes or asks is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import selectors
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import addresses, metrics, notices, wire
from .credits import Credits, credits_for
from .errors import WireError
from .link import Link

LOOK_AGAIN_S = 1.0
REFUSED_AGAIN_S = 30.0  # the longest pause before a frontend that refused is dialled again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A batch on its way to the model."""

    link: Link
    batch: wire.Batch
    body: memoryview


@dataclass(frozen=True, slots=True)
class _Refusal:
    pause_s: float
    until: float


class Links:
    """Every connection of this replica. `take`, `ready`, `drain` and `close` are the main thread's."""

    def __init__(self, frontends: str, hello: wire.Hello, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.credits = Credits(credits_for(concurrency))
        self.called: Callable[[Link, wire.Called, memoryview], None] = _ignored
        """Is told what comes of calls, by who reads."""
        self.gone: Callable[[Link], None] = _ignored
        """... and which frontend is gone."""
        self._hello = hello
        self._inbox: deque[Work] = deque()
        self._links: dict[str, Link] = {}
        self._refused: dict[str, _Refusal] = {}
        self._ready: wire.Ready | None = None
        self._draining = False
        self._asked_for_release: set[Link] = set()
        self._closing = False
        self._look_again = 0.0
        self._told: Link | None = None  # the frontend that is told of metrics
        self._selector = selectors.DefaultSelector()
        self._watch: Callable[[Link], object] = self._register
        self._unwatch: Callable[[Link], object] = self._selector.unregister
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._baton = threading.Lock()
        self._wanted = False  # the main thread wants the baton back
        self._computing = threading.Event()  # ... and this is how it lends it
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._addresses = addresses.find(frontends, hello.token, self._look_at_once)
        _all.add(self)

    def start(self) -> None:
        """Look for frontends, on the wire thread until the first `take`."""
        self._computing.set()
        self._thread.start()

    def ready(self, message: wire.Ready) -> None:
        """The model is loaded: tell every frontend, and ask for work."""
        self._ready = message
        self._wake()

    def drain(self) -> None:
        """Ask every frontend to send no more. `take` ends when all have agreed."""
        self._draining = True
        self._wake()

    def take(self) -> Work | None:
        """The next batch, as soon as there is one; None when all was drained."""
        if not self._inbox:
            self._take_baton()
            try:
                while not self._inbox:
                    if self._drained():
                        return None
                    self._poll()
            finally:
                self._baton.release()
        return self._inbox.popleft()

    @contextlib.contextmanager
    def watched_by(self, loop: asyncio.AbstractEventLoop, came: Callable[[], None]) -> Iterator[None]:
        """Within the block the event loop reads the sockets, and calls `came` when something has come.

        Who does this calls `look_after` once in a while.
        """

        def read(link: Link) -> None:
            self._on_data(link)
            self._greet()
            came()

        def woken() -> None:
            os.read(self._wake_read, 64)
            self._greet()
            came()

        self._take_baton()
        self._watch = lambda link: loop.add_reader(link, read, link)
        self._unwatch = loop.remove_reader
        loop.add_reader(self._wake_read, woken)
        for link in self._links.values():
            self._selector.unregister(link)
            self._watch(link)
        try:
            yield
        finally:
            loop.remove_reader(self._wake_read)
            for link in self._links.values():
                loop.remove_reader(link)
                self._selector.register(link, selectors.EVENT_READ, link)
            self._watch, self._unwatch = self._register, self._selector.unregister
            self._baton.release()

    def taken(self) -> list[Work] | None:
        """The batches that have come; None when all was drained."""
        if not self._inbox:
            return None if self._drained() else []
        found = list(self._inbox)
        self._inbox.clear()
        return found

    def look_after(self) -> None:
        """Look for frontends, and tell what there is to tell."""
        self._find_frontends()
        self._tell()
        self._greet()

    def lend(self) -> None:
        """The model is about to compute for a while: let the wire thread read the sockets until `take`."""
        self._computing.set()

    def close(self) -> None:
        """Close every connection and end the thread. What was sent still arrives."""
        self._closing = True
        self._computing.set()
        self._wake()
        self._thread.join()
        self._addresses.close()
        for link in self._links.values():
            link.close()
        _all.discard(self)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def leave_to_parent(self) -> None:
        """In a forked child: have no connection, for who is on the other side shall see its parent end."""
        self._selector.close()  # and nothing is unregistered, for its registrations are the parent's too
        for link in self._links.values():
            link.leave_to_parent()
        self._addresses.leave_to_parent()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _take_baton(self) -> None:
        if not self._baton.acquire(blocking=False):
            self._wanted = True
            self._wake()
            self._baton.acquire()
            self._wanted = False

    def _register(self, link: Link) -> None:
        self._selector.register(link, selectors.EVENT_READ, link)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full of reasons to wake
            os.write(self._wake_write, b"!")

    def _look_at_once(self) -> None:
        self._look_again = 0.0
        self._wake()

    def _run(self) -> None:
        while not self._closing:
            # Asked or not, a look now and then: a model that was quick so far may hang one day.
            self._computing.wait(LOOK_AGAIN_S)
            self._computing.clear()
            if self._baton.acquire(blocking=False):
                try:
                    while not (self._wanted or self._closing):
                        self._poll()
                finally:
                    self._baton.release()

    def _poll(self) -> None:
        """Handle what has come, or wait for it, at most until the next look for frontends."""
        if time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + LOOK_AGAIN_S
            self._find_frontends()
            self._tell()
        for key, _ in self._selector.select(max(0.0, self._look_again - time.monotonic())):
            if key.data is None:
                os.read(self._wake_read, 64)
            else:
                self._on_data(key.data)
        self._greet()

    def _greet(self) -> None:
        """Offer the model where it is known; or ask for release from there."""
        for link in self._links.values():
            if self._ready and link.welcome and not link.offered:
                link.offered = True
                link.send(self._ready)
                self.credits.join(link)
            if self._draining and link not in self._asked_for_release:
                self._asked_for_release.add(link)
                link.send(wire.Draining())

    def _tell(self) -> None:
        """Tell one frontend what the model measured and has to say; another one where that is gone."""
        offered = [link for link in self._links.values() if link.offered and not link.closed]
        if not offered:
            return
        if self._told not in offered:
            self._told = offered[0]
            metrics.ours.touch()
        if (news := metrics.ours.news()) is not None:
            self._told.send(wire.Metrics(news))
        for text in notices.taken():
            self._told.send(wire.Notice(text))

    def _drained(self) -> bool:
        return self._draining and all(link.released for link in self._links.values())

    def _find_frontends(self) -> None:
        present = self._addresses.present()
        self._refused = {address: self._refused[address] for address in present & self._refused.keys()}
        if self._draining:
            return
        now = time.monotonic()
        waiting = {address for address, refusal in self._refused.items() if now < refusal.until}
        for address in present - self._links.keys() - waiting:
            try:
                link = Link(address, self._addresses.dial(address))
            except OSError:
                continue  # it is just starting or just ending: the next look will tell
            self._links[address] = link
            self._watch(link)
            link.send(self._hello)

    def _on_data(self, link: Link) -> None:
        try:
            received = link.receive()
        except (OSError, WireError) as error:
            self._drop(link, f"the query frontend at {link.address} is gone: {error}")
            return
        if received is None:
            return
        message, body = received
        match message:
            case wire.Batch():
                self.credits.spend(link)
                self._inbox.append(Work(link, message, body))
            case wire.Called():
                self.called(link, message, body)
            case wire.Backlog():
                self.credits.want(link)
            case wire.Yield():
                self.credits.give_back(link, message.credits)
            case wire.Welcome():
                link.welcome = True
                self._refused.pop(link.address, None)
            case wire.Refused():
                self._on_refused(link, message.message)
            case wire.Released():
                link.released = True

    def _on_refused(self, link: Link, why: str) -> None:
        """Dial again, ever later: it may be that the frontend has yet to hear of this version."""
        last = self._refused.get(link.address)
        pause_s = LOOK_AGAIN_S if last is None else min(2 * last.pause_s, REFUSED_AGAIN_S)
        self._refused[link.address] = _Refusal(pause_s, time.monotonic() + pause_s)
        # Said once: one that is refused for good would fill its log.
        self._drop(link, f"the query frontend refuses this replica: {why}" if last is None else "")

    def _drop(self, link: Link, why: str) -> None:
        if why and not self._draining:
            log.warning("%s", why)
        self._unwatch(link)
        self._links.pop(link.address, None)
        link.close()
        self.credits.leave(link)
        self.gone(link)


def _ignored(*_: object) -> None:
    """Nobody has asked to be told."""


_all: weakref.WeakSet[Links] = weakref.WeakSet()


def _forked() -> None:
    for links in list(_all):
        links.leave_to_parent()
    _all.clear()


os.register_at_fork(after_in_child=_forked)
