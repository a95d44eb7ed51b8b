"""Serves a registered model from this very process: breakpoints, prints and edits hold at once.

The model runs on a thread of its own here, and ends with this process. For debugging, and for models that
cannot be packaged; a deployed model is faster, and outlives the notebook.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from clipper_container import wire
from clipper_container.coroutines import is_async
from clipper_container.errors import BadRequest, ClusterError
from clipper_container.inputs import WHOLE
from clipper_container.links import Links
from clipper_container.loaders import given_whole
from clipper_container.loaders.pipeline import Pipeline
from clipper_container.loaders.python import Function
from clipper_container.replica import Replica, Warm

from .connection import ClipperConnection

READY_S = 10.0
_numbers = itertools.count()


class Serving:
    """A replica in this process. `stop` ends it, as leaving a `with` block does.

    >>> conn.register_model("digits", "here", "doubles")
    >>> serving = clipperlab.serve(conn, "digits", "here", lambda inputs: [len(x) for x in inputs])
    >>> serving
    <digits:here, serving in this process>
    >>> serving.stop()
    """

    def __init__(self, links: Links, thread: threading.Thread, name: str) -> None:
        self._links = links
        self._thread = thread
        self.name = name

    def stop(self) -> None:
        """Answer what is there, and end. May be called twice.

        >>> conn.register_model("digits", "here", "doubles")
        >>> serving = clipperlab.serve(conn, "digits", "here", lambda inputs: [len(x) for x in inputs])
        >>> serving.stop()
        >>> serving
        <digits:here, stopped in this process>
        """
        if self._thread.is_alive():
            self._links.drain()
            self._thread.join()

    def __enter__(self) -> Serving:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "serving" if self._thread.is_alive() else "stopped"
        return f"<{self.name}, {state} in this process>"


def serve(conn: ClipperConnection, name: str, version: object, func: Callable[..., Any]) -> Serving:
    """Answer the queries of a registered version by `func`, a list of inputs in, a list as long out; or by
    `async def func(query, models)` where it was registered with the models that it uses.

    Returns when it answers. `conn.register_model` comes first. Raises NotFound; BadRequest where the version
    was deployed and not registered, or func is no such function; ClusterError where no query frontend is
    found.

    >>> conn.register_model("digits", "here", "doubles")
    >>> with clipperlab.serve(conn, "digits", "here", lambda inputs: [len(x) for x in inputs]):
    ...     conn.application("digits").predict([1.0, 2.0])["output"]
    2
    """
    if not callable(func):
        raise BadRequest(f"func must be a function of a list of inputs, not {type(func).__name__}.")
    found = conn.get_model_info(name, version)
    way = conn._management.credential(name, version)
    assert found is not None
    replica_id = f"{os.getpid()}-{next(_numbers)}"
    hello = wire.Hello(wire.WIRE_VERSION, way["token"], way["model"], way["version"], replica_id, os.getpid())
    kind = found["input_type"]
    if found["uses"] and not is_async(func):
        raise BadRequest(
            f"{name}:{version} uses models: func must be `async def func(query, models)`, which calls them."
        )
    function = Function(func, whole=kind in WHOLE)
    predict: Any = Pipeline(func) if found["uses"] else given_whole(function, kind, found["columns"])
    links = Links(way["frontends"], hello, found["concurrency"])

    def run() -> None:
        Replica(links).serve(predict, Warm([]))
        links.close()

    links.start()
    thread = threading.Thread(target=run, name=f"serve {name}:{version}", daemon=True)
    thread.start()
    serving = Serving(links, thread, f"{name}:{version}")
    try:
        conn._management.wait_dialled(name, version, replica_id, timeout_s=READY_S)
    except ClusterError:
        serving.stop()
        raise
    return serving
