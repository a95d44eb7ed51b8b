"""One port for several query frontends: the listening socket is shared, and connections are dealt out.

The first frontend binds the port, or has it from who started it; those that come later get the listening
socket from one that has it. So the port lives as long as any of them, and what waits in it is lost with none.
Whoever accepts a connection hands it to the frontend that has the fewest, so that clients who keep their
connections are spread evenly. Each frontend tells its number in a small file that all of them map. Only that,
and descriptors over Unix sockets, are needed for it, which Linux and macOS have alike.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import logging
import mmap
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from ..snapshot import MAX_FRONTENDS

BACKLOG = 2048
BIND_AGAIN_S = 0.05
BIND_FOR_S = 15.0  # the one that has the port from management may be slow to start
ACCEPT_AT_ONCE = 64
NO_DESCRIPTORS_S = 0.5  # before connections are accepted again
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
TELL_AGAIN_S = 60.0
_COUNT = struct.Struct("<I")
_CONNECTION, _WANTED, _LISTENER = b"c", b"w", b"l"  # the second one with the number of who wants it
_SENDER = struct.Struct("iii")  # Linux says who has sent a letter: process, user and group
_CREDENTIALS = getattr(socket, "SCM_CREDENTIALS", 2) if hasattr(socket, "SO_PASSCRED") else None
MAIL = 64  # bytes of a letter
MOST_LETTERS = 100_000  # more than a mailbox holds

log = logging.getLogger(__name__)


class Listener:
    """This frontend's share of the port at `address`. `folder` is where the frontends meet, and nobody else.

    `given` listens at that address already: nobody could take the port meanwhile. Looks enough like an
    asyncio server for uvicorn: `close` and `wait_closed`.
    """

    def __init__(self, frontend: str, address: str, folder: Path, given: socket.socket | None = None) -> None:
        self._address = address
        self._given = given
        self._folder = folder
        self._path = folder / f"{frontend}.peer"
        self._slot = int(frontend)
        self.connections = 0  # that this frontend has
        self._dealt: dict[int, int] = {}  # in this round, and perhaps not yet counted by whom they went to
        self._counts: mmap.mmap | None = None
        self._make_protocol: Callable[[], asyncio.Protocol] | None = None
        self._listening: socket.socket | None = None
        self._mail: socket.socket | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._told_at = -TELL_AGAIN_S

    @property
    def host(self) -> str:
        """The address that the port is, or is to be, bound to."""
        return self._address.rpartition(":")[0]

    async def start(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections from now on. Raises OSError where the port is somebody else's."""
        loop = asyncio.get_running_loop()
        self._make_protocol = make_protocol
        self._path.unlink(missing_ok=True)
        self._counts = self._map_counts()
        self._count(0)
        self._mail = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._mail.bind(str(self._path))
        self._mail.setblocking(False)
        if _CREDENTIALS is not None:
            self._mail.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._listening = self._given or await self._bind_or_get()
        loop.add_reader(self._mail.fileno(), self._on_mail)
        loop.add_reader(self._listening.fileno(), self._accept)

    async def _bind_or_get(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + BIND_FOR_S
        while True:
            try:
                return bind(self._address)
            except OSError:
                for peer in self._peers():
                    if found := await self._get_from(peer):
                        return found
                # Another frontend may have bound it just now, and be about to share it.
                if loop.time() > give_up:
                    raise
            await asyncio.sleep(BIND_AGAIN_S)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._listening is not None
        host, port = self._listening.getsockname()
        return host, port

    def _peers(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.peer") if path != self._path)

    async def _get_from(self, peer: Path) -> socket.socket | None:
        assert self._mail is not None
        with contextlib.suppress(OSError):
            self._mail.sendto(_WANTED + b"%d" % self._slot, str(peer))
            for _ in range(10):
                await asyncio.sleep(BIND_AGAIN_S)
                with contextlib.suppress(BlockingIOError):
                    kind, found = self._receive()
                    if kind == _LISTENER and found is not None:
                        return found
        return None

    def _receive(self) -> tuple[bytes, socket.socket | None]:
        """The next letter; b"" for one that no peer has written. Raises OSError where there is none."""
        assert self._mail is not None
        descriptors = array.array("i")
        sender: int | None = None
        space = socket.CMSG_SPACE(descriptors.itemsize) + socket.CMSG_SPACE(_SENDER.size)
        data, ancillary, _, _ = self._mail.recvmsg(MAIL, space)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
            elif (level, kind) == (socket.SOL_SOCKET, _CREDENTIALS):
                _, sender, _ = _SENDER.unpack_from(content)
        sockets = [found for descriptor in descriptors if (found := _as_connection(descriptor)) is not None]
        if len(sockets) == len(descriptors) <= 1 and (_CREDENTIALS is None or sender == os.getuid()):
            return data, sockets[0] if sockets else None
        for found in sockets:
            found.close()
        return b"", None

    def _send(self, peer: Path, kind: bytes, what: socket.socket) -> bool:
        assert self._mail is not None
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [what.fileno()]).tobytes())
        try:
            self._mail.sendmsg([kind], [rights], 0, str(peer))
        except OSError:
            return False
        return True

    def _on_mail(self, most: int = ACCEPT_AT_ONCE) -> None:
        for _ in range(most):
            try:
                data, received = self._receive()
            except OSError:
                return
            if data == _CONNECTION and received is not None:
                self._serve(received)
                continue
            if received is not None:
                received.close()
            elif data.startswith(_WANTED) and data[1:].isdigit() and self._listening is not None:
                self._send(self._folder / f"{int(data[1:])}.peer", _LISTENER, self._listening)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            peers = {int(path.stem): path for path in self._peers()}
        except OSError as error:  # looking takes a descriptor, too
            self._pause(error)
            return
        self._dealt.clear()
        for _ in range(ACCEPT_AT_ONCE):
            try:
                connection, _ = self._listening.accept()
            except OSError as error:
                if error.errno in NO_DESCRIPTORS:
                    self._pause(error)
                return  # another frontend was quicker, or the client is gone already
            connection.setblocking(False)
            while (slot := min([self._slot, *peers], key=self._load)) != self._slot:
                if self._send(peers[slot], _CONNECTION, connection):
                    break
                del peers[slot]  # it is dead, or has too much to do
            if slot == self._slot:
                self._serve(connection)
            else:
                self._dealt[slot] = self._dealt.get(slot, 0) + 1
                connection.close()

    def _pause(self, error: OSError) -> None:
        """Leave connections where they wait, in the port, until there may be descriptors again."""
        assert self._listening is not None
        loop = asyncio.get_running_loop()
        if loop.time() - self._told_at >= TELL_AGAIN_S:
            self._told_at = loop.time()
            log.warning(
                "no connection can be accepted (%s), and those that come wait: %d are open. `ulimit -n` says "
                "how many files a process may have open here; more query frontends have more together.",
                error,
                self.connections,
            )
        loop.remove_reader(self._listening.fileno())
        loop.call_later(NO_DESCRIPTORS_S, self._go_on)

    def _go_on(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    def _load(self, slot: int) -> int:
        assert self._counts is not None
        (count,) = _COUNT.unpack_from(self._counts, slot * _COUNT.size)
        return int(count) + self._dealt.get(slot, 0)

    def lost(self) -> None:
        """A connection that came by here has ended."""
        self._count(-1)

    def _count(self, by: int) -> None:
        self.connections += by
        if self._counts is not None:
            _COUNT.pack_into(self._counts, self._slot * _COUNT.size, self.connections)

    def _map_counts(self) -> mmap.mmap:
        size = _COUNT.size * MAX_FRONTENDS
        with (self._folder / "connections").open("a+b") as file:
            if file.seek(0, os.SEEK_END) < size:
                file.truncate(size)
            return mmap.mmap(file.fileno(), size)

    def _serve(self, connection: socket.socket) -> None:
        """Its protocol tells of its end, by `lost`."""
        assert self._make_protocol is not None
        self._count(1)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._make_protocol, connection))
        self._tasks.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            self.lost()  # it was gone before it had a protocol

    def close(self) -> None:
        """Accept no more. What was dealt to this frontend already is served."""
        loop = asyncio.get_running_loop()
        self._path.unlink(missing_ok=True)
        if self._mail is not None:
            self._on_mail(MOST_LETTERS)
        for shared in (self._listening, self._mail):
            if shared is not None:
                loop.remove_reader(shared.fileno())
                shared.close()
        self._listening = self._mail = None
        if self._counts is not None:
            self._counts.close()
            self._counts = None

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _as_connection(descriptor: int) -> socket.socket | None:
    """A stream of TCP; anything else is closed."""
    try:
        received = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if (received.family, received.type) != (socket.AF_INET, socket.SOCK_STREAM):
        received.close()
        return None
    received.setblocking(False)
    return received


def bind(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def listens(descriptor: int) -> socket.socket:
    """One that whoever started this process has bound."""
    listener = socket.socket(fileno=descriptor)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
