"""The Jupyter server's extension, in a real Jupyter server, over real clusters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

pytest.importorskip("jupyter_server", reason="needs jupyter_server, which is not installed here")
pytest.importorskip("pytest_jupyter", reason="needs pytest-jupyter, which is not installed here")

from _pytest.fixtures import FixtureFunctionDefinition
from pytest_jupyter import jupyter_core, jupyter_server, pytest_tornasync
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from tornado.httputil import HTTPHeaders

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.jupyter import MAX_BODY, Query
from clipperlab.places import ClusterRecord
from tests.support.clusters import Attach, constant, kill, pid_of
from tests.support.waiting import wait_for

# Its fixtures, and not its hooks, which would take over the asynchronous tests of all modules.
for _module in (jupyter_core, jupyter_server, pytest_tornasync):
    for _name, _value in vars(_module).items():
        if isinstance(_value, FixtureFunctionDefinition):
            globals()[_name] = _value

pytestmark = pytest.mark.slow
Fetch = Callable[..., HTTPResponse]
EXTENSIONS = {"clipperlab": True, "jupyter_server_terminals": False}


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": EXTENSIONS, "allow_unauthenticated_access": False}}


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    connection = attach("jupyter")
    connection.start_clipper(fresh=True)
    connection.register_application("app", "doubles", -1, 20_000_000)
    deploy_python_closure(connection, "m", 1, "doubles", constant("one"))
    connection.link_model_to_app("app", "m")
    yield connection
    connection.stop_all(purge=True)


@pytest.fixture
def fetch(jp_fetch: Callable[..., Any], jp_asyncio_loop: asyncio.AbstractEventLoop) -> Fetch:
    """Ask the extension; answers of any status."""

    def fetch(method: str, *path: str, body: object = None, **options: Any) -> HTTPResponse:
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        options |= {"headers": headers, "body": json.dumps(body) if body is not None else None}

        async def ask() -> HTTPResponse:  # the client is made within the loop, whatever other tests left
            found: HTTPResponse = await jp_fetch(
                "clipperlab", *path, method=method, allow_nonstandard_methods=True, **options
            )
            return found

        try:
            found = jp_asyncio_loop.run_until_complete(ask())
        except HTTPClientError as error:
            if error.response is None:
                raise
            return error.response
        return found

    return fetch


def body(response: HTTPResponse) -> Any:
    assert response.headers["Content-Type"].startswith("application/json")
    return json.loads(response.body)


def test_it_lists_clusters_without_their_tokens(cluster: ClipperConnection, fetch: Fetch) -> None:
    response = fetch("GET", "clusters")
    (found,) = [c for c in body(response)["clusters"] if c["name"] == "jupyter"]
    assert (found["state"], found["query"]) == ("running", cluster.get_query_addr())
    assert cluster._record.token.encode() not in response.body


def test_it_forwards_to_management(cluster: ClipperConnection, fetch: Fetch) -> None:
    found = body(fetch("GET", "clusters", "jupyter", "api", "overview"))
    assert [m["model_name"] for m in found["models"]] == ["m"]
    fetch(
        "PUT",
        "clusters",
        "jupyter",
        "api",
        "models",
        "m",
        "versions",
        "1",
        "replicas",
        body={"num_replicas": 2},
    )
    assert cluster.get_num_replicas("m") == 2
    response = fetch("GET", "clusters", "jupyter", "api", "models", "m", "versions", "9")
    assert response.code == 404
    assert body(response)["error"] == "NotFound"
    params = {"after": "1", "limit": "2"}
    assert [e["id"] for e in body(fetch("GET", "clusters", "jupyter", "api", "events", params=params))] == [
        2,
        3,
    ]


def test_it_forwards_queries(cluster: ClipperConnection, fetch: Fetch) -> None:
    answer = fetch("POST", "clusters", "jupyter", "query", "app", "predict", body={"input": [1.0]})
    assert body(answer)["output"] == "one"


def test_who_moves_a_version_stands_in_the_history(cluster: ClipperConnection, fetch: Fetch) -> None:
    moved = {"version": "1", "message": "from the panel"}
    who = {"X-Clipper-Who": "somebody-else"}
    fetch("PUT", "clusters", "jupyter", "api", "models", "m", "current", body=moved, headers=who)
    last = cluster.get_model_history("m")[-1]
    assert last["message"] == "from the panel"
    assert last["who"] not in ("", "somebody-else")


def test_events_arrive_one_by_one(
    cluster: ClipperConnection,
    jp_fetch: Callable[..., Any],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> None:
    async def follow() -> bytes:
        came = asyncio.Event()
        received = b""

        def on_data(chunk: bytes) -> None:
            nonlocal received
            received += chunk
            came.set()

        path = ("clipperlab", "clusters", "jupyter", "api", "events", "stream")
        following = asyncio.ensure_future(jp_fetch(*path, streaming_callback=on_data))
        async with asyncio.timeout(60):
            await came.wait()
            assert b"event: application" not in received
            came.clear()
            await asyncio.to_thread(cluster.register_application, "streamed", "doubles", -1, 1000)
            while b"Registered application streamed." not in received:
                await came.wait()
                came.clear()
        following.cancel()
        return received

    assert b"event: application" in jp_asyncio_loop.run_until_complete(follow())
    cluster.unregister_application("streamed")


@pytest.mark.parametrize("path", [("clusters",), ("clusters", "jupyter", "api", "overview")])
def test_nobody_gets_in_without_the_servers_token(
    cluster: ClipperConnection, fetch: Fetch, path: tuple[str, ...]
) -> None:
    assert fetch("GET", *path, headers={"Authorization": "token wrong"}).code == 403
    assert fetch("POST", "clusters", "jupyter", "stop", headers={"Authorization": ""}).code == 403
    assert fetch("DELETE", "clusters", "jupyter", headers={"Authorization": ""}).code == 403
    assert cluster.status()["cluster_name"] == "jupyter"


class TestOpen:
    """A server without tokens, as they are behind a hub: then its XSRF rules keep other pages out."""

    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return {"ServerApp": {"jpserver_extensions": EXTENSIONS, "token": ""}}

    def test_it_answers_and_refuses_what_has_no_xsrf_token(
        self, cluster: ClipperConnection, fetch: Fetch
    ) -> None:
        nobody = {"Authorization": ""}
        assert fetch("GET", "clusters", headers=nobody).code == 200
        path = ("clusters", "jupyter", "query", "app", "predict")
        assert fetch("POST", *path, body={"input": [1.0]}, headers=nobody).code == 403
        token = "2|00000000|31323334|1700000000"  # as tornado writes them; a page has it from its cookie
        headers = {"Cookie": f"_xsrf={token}", "X-XSRFToken": token, **nobody}
        assert fetch("POST", *path, body={"input": [1.0]}, headers=headers).code == 200


def test_paths_lead_nowhere_else(cluster: ClipperConnection, fetch: Fetch) -> None:
    for path in (("clusters", "jupyter", "api", "..", "..", "health"), ("clusters", "..", "api", "health")):
        assert fetch("GET", *path).code in (400, 404)
    response = fetch("GET", "clusters", "nobody", "api", "overview")
    assert response.code == 404
    assert "jupyter" in body(response)["message"]


@pytest.fixture
def ask(
    http_server_client: AsyncHTTPClient,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Callable[..., HTTPResponse]:
    """Ask for a path as it is written; answers of any status, and no redirect is followed."""

    def ask(method: str, path: str, body: bytes | None = None) -> HTTPResponse:
        options = {"allow_nonstandard_methods": True, "follow_redirects": False, "raise_error": False}
        url = f"{jp_base_url}clipperlab/clusters/jupyter/{path}"
        asking = http_server_client.fetch(url, method=method, headers=jp_auth_header, body=body, **options)
        found: HTTPResponse = jp_asyncio_loop.run_until_complete(asking)
        return found

    return ask


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/docs", "..%2f..%2fdocs", "models/%2E%2E/docs"])
def test_a_path_that_leads_out_is_refused_however_it_is_written(
    cluster: ClipperConnection, ask: Callable[..., HTTPResponse], path: str
) -> None:
    answer = ask("GET", f"api/{path}")
    assert (answer.code, body(answer)["error"]) == (400, "BadRequest")


@pytest.mark.parametrize(("path", "name"), [("a%3Fafter=1", "a?after=1"), ("a%23b", "a#b"), ("a%25b", "a%b")])
def test_what_a_name_has_of_a_url_stays_in_the_name(
    cluster: ClipperConnection, ask: Callable[..., HTTPResponse], path: str, name: str
) -> None:
    answer = ask("GET", f"api/logs/{path}")
    assert answer.code == 404
    assert f"There is no log '{name}'." in body(answer)["message"]
    assert ask("GET", "api/%00").code == 404


def test_a_redirect_leads_to_where_a_browser_can_go(
    cluster: ClipperConnection, ask: Callable[..., HTTPResponse], jp_base_url: str
) -> None:
    answer = ask("GET", "api/models/")
    assert answer.code == 307
    assert answer.headers["Location"] == f"{jp_base_url}clipperlab/clusters/jupyter/api/models"


def test_a_body_that_is_too_large_is_refused_and_is_no_dead_cluster(
    cluster: ClipperConnection, ask: Callable[..., HTTPResponse]
) -> None:
    answer = ask("POST", "query/app/predict", b"[" * (MAX_BODY + 1))
    assert answer.code == 413
    assert "several requests" in body(answer)["message"]


def test_what_is_asked_of_a_cluster_ends_when_the_browser_goes(
    cluster: ClipperConnection,
    http_server: object,
    jp_http_port: int,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> None:
    management = psutil.Process(pid_of(cluster, "management"))
    port = int(cluster._record.management.rpartition(":")[2])

    def connections() -> int:
        tcp = management.net_connections("tcp")
        return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in tcp)

    async def follow_and_go() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        path = f"{jp_base_url}clipperlab/clusters/jupyter/api/events/stream"
        token = jp_auth_header["Authorization"]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
        async with asyncio.timeout(60):
            assert b"200 OK" in await reader.readline()
            held = connections()
            writer.close()
            await asyncio.to_thread(wait_for, "the connection to end", lambda: connections() < held)

    jp_asyncio_loop.run_until_complete(follow_and_go())


def test_a_dead_management_and_a_stopped_cluster_are_told_and_started(
    cluster: ClipperConnection, fetch: Fetch
) -> None:
    kill(pid_of(cluster, "management"))
    response = fetch("GET", "clusters", "jupyter", "api", "overview")
    assert response.code == 503
    assert "Start it again" in body(response)["message"]
    (found,) = [c for c in body(fetch("GET", "clusters"))["clusters"] if c["name"] == "jupyter"]
    assert found["state"] == "silent"
    assert body(fetch("POST", "clusters", "jupyter", "start"))["state"] == "running"
    assert fetch("GET", "clusters", "jupyter", "api", "overview").code == 200
    assert body(fetch("POST", "clusters", "jupyter", "stop"))["state"] == "stopped"
    response = fetch("GET", "clusters", "jupyter", "api", "overview")
    assert response.code == 503
    assert "is not running" in body(response)["message"]
    fetch("POST", "clusters", "jupyter", "start")
    cluster.connect()
    wait_for("the model", lambda: cluster.get_all_models(verbose=True)[0]["state"] == "ready")


def test_a_cluster_is_forgotten(attach: Attach, fetch: Fetch) -> None:
    attach("forgotten").start_clipper(fresh=True)
    record = ProcessContainerManager("forgotten").record()
    assert record is not None
    assert fetch("DELETE", "clusters", "forgotten").code == 204
    assert "forgotten" not in [c["name"] for c in body(fetch("GET", "clusters"))["clusters"]]
    assert not ProcessContainerManager("forgotten").folder.exists()
    response = fetch("DELETE", "clusters", "forgotten")
    assert (response.code, body(response)["error"]) == (404, "NotFound")


def test_it_says_where_the_lessons_are(fetch: Fetch, jp_root_dir: Path) -> None:
    response = fetch("GET", "lessons")
    assert response.code == 404
    assert "`clipperlab lessons` copies them" in body(response)["message"]
    folder = jp_root_dir / "notebooks"
    folder.mkdir()
    for name in ("README.md", "01_serve.ipynb"):
        (folder / name).touch()
    assert body(fetch("GET", "lessons")) == {
        "overview": "notebooks/README.md",
        "lessons": ["notebooks/01_serve.ipynb"],
    }


def test_a_token_that_is_wrong_is_told(cluster: ClipperConnection, fetch: Fetch) -> None:
    record = ProcessContainerManager("jupyter").folder / "cluster.json"
    right = record.read_text()
    record.write_text(right.replace(cluster._record.token, "wrong"))
    try:
        response = fetch("GET", "clusters", "jupyter", "api", "overview")
    finally:
        record.write_text(right)
    assert (response.code, body(response)["error"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("asked", "forwarded"),
    [
        ("token=secret", ""),
        ("after=1&token=secret&limit=2", "?after=1&limit=2"),
        ("%74oken=secret&_xsrf=2", ""),
        ("tokens=3&q=token%3D4", "?tokens=3&q=token%3D4"),
        ("", ""),
    ],
)
def test_what_shows_a_browser_to_this_server_is_for_it_alone(asked: str, forwarded: str) -> None:
    class Asked:
        method, body, query, headers = "GET", b"", asked, HTTPHeaders()

    handler = Query.__new__(Query)
    handler.request = Asked()  # type: ignore[assignment]
    handler.client = lambda: httpx2.AsyncClient(trust_env=False, verify=False)  # type: ignore[method-assign]
    record = ClusterRecord("c", "127.0.0.1:1", "127.0.0.1:2", "t")
    assert str(handler.build(record, "metrics").url) == f"http://127.0.0.1:1/metrics{forwarded}"
