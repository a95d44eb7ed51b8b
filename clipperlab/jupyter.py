"""The Jupyter server's extension: forwards to the clusters of this user, and starts and stops them.

It holds no state. Everything is under `clipperlab/` of the server's base URL, behind its authentication and
its XSRF rules; the clusters' tokens stay here. So what works on a laptop works behind Binder and JupyterHub.

    GET  clusters                              names, addresses, and which run
    POST clusters/{name}/start, .../stop
    DELETE clusters/{name}                     ends it, and forgets what was deployed
    GET  lessons                               where the lessons are, below the server's folder
    any  clusters/{name}/api/{path}            management's /api/v1/{path}
    any  clusters/{name}/query/{path}          the query frontend's /{path}
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_plus

import httpx2
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError

from clipper_container.errors import BadRequest, ClipperException, ClusterError, NotFound
from clipper_container.near import unknown

from .lessons.folder import lessons_below
from .management import credentials
from .places import ClusterRecord
from .places.process import ProcessContainerManager, clusters

CONNECT_S = 5.0
ANSWER_S = 90.0  # longer than management holds a long poll
LOOK_S = 1.0
AT_ONCE = 64  # connections to clusters
MAX_BODY = 64 << 20  # a query frontend's own bound; one that is cut off by it could not tell why
# What concerns one connection only, or who the browser is to this server, and nobody else.
_NOT_FORWARDED = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"),
    *("transfer-encoding", "host", "cookie", "authorization", "content-length", "accept-encoding"),
    *("origin", "referer", "x-xsrftoken", "x-clipper-who"),
}
_NOT_RETURNED = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "set-cookie",
}


class _Handler(APIHandler):
    """Answers errors as management does: {"error": a class of ours, "message": what to do}."""

    def client(self) -> httpx2.AsyncClient:
        client: httpx2.AsyncClient = self.settings["clipperlab_client"]
        return client

    def manager(self, name: str) -> ProcessContainerManager:
        if name not in clusters():
            raise NotFound(unknown("cluster", name, "Clusters", clusters()))
        return ProcessContainerManager(name)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, ClipperException):
            self.refuse(error, error.http_status)
        else:
            super().write_error(status_code, **kwargs)

    def refuse(self, error: ClipperException, status: int) -> None:
        self.clear()
        self.set_status(status)
        self.finish(json.dumps({"error": type(error).__name__, "message": str(error)}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, ClipperException):
            super().log_exception(typ, value, tb)


class Clusters(_Handler):
    """All clusters of this user."""

    _track_activity = False

    @web.authenticated
    async def get(self) -> None:
        found = await asyncio.gather(*(self._look(name) for name in clusters()))
        self.finish(json.dumps({"clusters": found}))

    async def _look(self, name: str) -> dict[str, Any]:
        try:
            record = ProcessContainerManager(name).record()
        except ClusterError as error:
            return {"name": name, "state": "broken", "message": str(error)}
        if record is None:
            return {"name": name, "state": "stopped"}
        url = f"http://{record.management}/api/v1/health"
        try:
            await self.client().get(url, timeout=LOOK_S)
        except httpx2.HTTPError as error:
            state, message = "silent", str(_silent(name, error))
        else:
            state, message = "running", ""
        addresses = {"query": record.query, "management": record.management}
        return {"name": name, "state": state, "message": message, **addresses}


class Start(_Handler):
    """Starts a cluster, or what is dead of it. A name that is new makes a new one."""

    @web.authenticated
    async def post(self, name: str) -> None:
        await asyncio.to_thread(ProcessContainerManager(name).up, fresh=False)
        self.finish(json.dumps({"name": name, "state": "running"}))


class Stop(_Handler):
    """Ends a cluster's processes. The next start finds its applications and models again."""

    @web.authenticated
    async def post(self, name: str) -> None:
        await asyncio.to_thread(self.manager(name).down, purge=False)
        self.finish(json.dumps({"name": name, "state": "stopped"}))


class Forget(_Handler):
    """Ends a cluster's processes, and removes all that is known of it."""

    @web.authenticated
    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self.manager(name).down, purge=True)
        self.set_status(204)
        self.finish()


class Lessons(_Handler):
    """Where the lessons are, as paths that JupyterLab opens."""

    @web.authenticated
    def get(self) -> None:
        root = Path(self.settings.get("server_root_dir", "")).expanduser().resolve()
        found = lessons_below(root)
        if found is None:
            raise NotFound(
                f"The lessons are not in {root}, which is what JupyterLab shows here. In a terminal, "
                "`clipperlab lessons` copies them into a folder, and opens them."
            )
        self.finish(json.dumps(found))


class _Forwarding(_Handler):
    """Passes a request on, and its answer back as it comes: a stream of events too."""

    kind: str  # what stands before the path
    _track_activity = False  # views ask every second, and a server that is only watched is idle
    _passing: asyncio.Task[None] | None = None

    @web.authenticated
    async def get(self, name: str, path: str) -> None:
        record = self.manager(name).record()
        if record is None:
            raise ClusterError(
                f"Cluster {name!r} is not running. Start it here, with start_clipper(), or with `clipperlab "
                f"start --cluster-name {name}`."
            )
        if any(part in (".", "..") for part in path.split("/")):
            raise BadRequest("A path has no . or .. in it.")
        if len(self.request.body) > MAX_BODY:
            sentence = f"The body is larger than {MAX_BODY >> 20} MiB, the most that is forwarded."
            self.refuse(BadRequest(f"{sentence} Send it in several requests."), 413)
            return
        self._passing = asyncio.create_task(self._pass(name, record, path))
        with suppress(asyncio.CancelledError):  # the browser went away
            await self._passing

    post = put = patch = delete = get

    def on_connection_close(self) -> None:
        if self._passing is not None:
            self._passing.cancel()

    def target(self, record: ClusterRecord) -> tuple[str, dict[str, str]]:
        """Where paths begin there, and what headers go with them."""
        raise NotImplementedError

    def build(self, record: ClusterRecord, path: str) -> httpx2.Request:
        there, ours = self.target(record)
        url = there + quote(path)  # it came unquoted: a ? in a name begins no query
        query = "&".join(part for part in self.request.query.split("&") if _is_forwarded(part))
        theirs = [(k, v) for k, v in self.request.headers.get_all() if k.lower() not in _NOT_FORWARDED]
        return self.client().build_request(
            self.request.method or "GET",
            f"{url}?{query}" if query else url,
            headers=[*theirs, *ours.items()],
            content=self.request.body or None,
            # A stream of events says something every 15 s.
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
        )

    async def _pass(self, name: str, record: ClusterRecord, path: str) -> None:
        begun = False
        try:
            response = await self.client().send(self.build(record, path), stream=True)
            try:
                self.set_status(response.status_code)
                for header, value in response.headers.items():
                    if header.lower() not in _NOT_RETURNED:
                        self.set_header(header, value)
                if moved := response.headers.get("location"):
                    self.set_header("Location", self._here(record, moved))
                async for chunk in response.aiter_raw():
                    begun = True
                    self.write(chunk)
                    await self.flush()
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            if not begun:
                raise _silent(name, error) from error
            # It has had a part: to be cut off is all that it can be told.
        except StreamClosedError:
            return
        self.finish(set_content_type=self._headers.get("Content-Type", "application/json"))

    def _here(self, record: ClusterRecord, location: str) -> str:
        """Where a browser finds what is at `location` for us: it may not reach the cluster's own address."""
        there, _ = self.target(record)
        if not location.startswith(there):
            return location
        ours = url_path_join(self.base_url, "clipperlab", "clusters", record.cluster_name, self.kind, "/")
        return ours + location.removeprefix(there)


class Api(_Forwarding):
    """To management, with the cluster's token."""

    kind = "api"

    def target(self, record: ClusterRecord) -> tuple[str, dict[str, str]]:
        return f"http://{record.management}/api/v1/", credentials(record)


class Query(_Forwarding):
    """To the query frontend, as any client of an application."""

    kind = "query"

    def target(self, record: ClusterRecord) -> tuple[str, dict[str, str]]:
        return f"http://{record.query}/", {}


def _is_forwarded(parameter: str) -> bool:
    """Unless it is how a browser shows this server who it is."""
    return unquote_plus(parameter.partition("=")[0]) not in ("token", "_xsrf")


def _silent(name: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"Cluster {name!r} does not answer ({str(error) or type(error).__name__}). Start it again here, with "
        f"connect(), or with `clipperlab start --cluster-name {name}`."
    )


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Called by the Jupyter server, which finds it by `jupyter-config/`."""
    app = server.web_app
    # None is kept alive: clusters come and go, and nobody would close it when this server ends.
    app.settings["clipperlab_client"] = httpx2.AsyncClient(
        trust_env=False,
        verify=False,
        limits=httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=0),
    )
    ours = url_path_join(app.settings["base_url"], "clipperlab")
    base = url_path_join(ours, "clusters")
    name = "(?P<name>[a-z0-9-]+)"
    app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$",
        [
            (base, Clusters),
            (url_path_join(ours, "lessons"), Lessons),
            (f"{base}/{name}", Forget),
            (f"{base}/{name}/start", Start),
            (f"{base}/{name}/stop", Stop),
            (f"{base}/{name}/api/(?P<path>.*)", Api),
            (f"{base}/{name}/query/(?P<path>.*)", Query),
        ],
    )
    server.log.info("Clipper Lab forwards to the clusters of this user.")
