"""What pods wrote, and the last words of those that are gone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

from clipper_container.errors import ClusterError, NotFound
from clipper_container.near import unknown

from .. import LOG_AT_ONCE, Status
from . import packages, pods
from .api_server import APIServer, Object, Refused

LINES = 400  # of each log, where all are asked for
LAST_WORDS = 100  # of so many replicas and frontends that ended; their logs go with their pods


class Logs:
    """The logs of a cluster, by name. `name_of` tells what a pod's is called."""

    def __init__(self, name_of: Callable[[Object], str]) -> None:
        self._name_of = name_of
        self._last_words: dict[str, str] = {}  # the oldest first

    def ended(self, status: Status) -> None:
        """Keep the last words of this one."""
        self._last_words.pop(status.name, None)
        self._last_words[status.name] = _end(status.exit_code, status.last_words)
        for oldest in list(self._last_words)[:-LAST_WORDS]:
            del self._last_words[oldest]

    async def all(self, server: APIServer, there: Collection[Object]) -> dict[str, str]:
        """The ends of all logs. Those of pods that are gone are their last words."""
        found = dict(self._last_words)
        for pod in there:
            name, text = self._name_of(pod), ""
            try:
                with suppress(NotFound, Refused):
                    text = (await _installed(server, pod, tailLines=str(LINES))).decode(errors="replace")
                    text += await _before(server, pod) + await _tail(server, pod)
            except ClusterError as error:  # its node is lost, say: the others have theirs
                text = f"{error}\n"
            found[name] = text + _last_words(pod) or found.get(name, "")
        return dict(sorted(found.items()))

    async def read(
        self, server: APIServer, there: Collection[Object], name: str, after: int
    ) -> tuple[str, int]:
        """What a log has after that many bytes, and how many bytes that is; NotFound where there is none."""
        known = {self._name_of(pod): pod for pod in there}
        if name not in known and name not in self._last_words:
            names = sorted(known.keys() | self._last_words)
            raise NotFound(unknown("log", name, "Logs", names))
        data = b""
        if (pod := known.get(name)) is not None:
            data = await _installed(server, pod)
            try:
                data += await server.read_log(pod["metadata"]["name"])
            except NotFound:
                pass  # it went a moment ago
            except Refused:
                if not data and not pods.has_ended(pod):
                    return "", after  # its container has not begun yet
            data += _last_words(pod).encode()
        if not data:
            data = self._last_words.get(name, "").encode()
        begin = after if after <= len(data) else 0
        part = data[begin : begin + LOG_AT_ONCE]
        return part.decode(errors="replace"), begin + len(part)


async def _installed(server: APIServer, pod: Object, **query: str) -> bytes:
    """What installing its packages wrote; b"" where it has none of its own, or that has not begun."""
    if not packages.names(pod):
        return b""
    with suppress(NotFound, Refused):
        return await server.read_log(pod["metadata"]["name"], container=packages.INSTALLER, **query)
    return b""


async def _before(server: APIServer, pod: Object) -> str:
    """The log of its container before that was last restarted, as far as the node has it."""
    if not pods.ends(pod):
        return ""
    with suppress(NotFound, Refused):
        return f"{await _tail(server, pod, previous='true')}--- It ended, and was started again. ---\n"
    return ""


async def _tail(server: APIServer, pod: Object, **query: str) -> str:
    data = await server.read_log(pod["metadata"]["name"], tailLines=str(LINES), **query)
    return data.decode(errors="replace")


def _last_words(pod: Object) -> str:
    """ "" as long as it goes on."""
    return _end(*pods.last_end(pod)) if pods.has_ended(pod) else ""


def _end(exit_code: int | None, last_words: str) -> str:
    how = "" if exit_code in (None, -1) else f" with exit code {exit_code}"
    return f"It ended{how}. Its last words: {last_words}\n"
