"""What the API says of itself is true: generated requests, fitting and not, are answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clipper_server.snapshot import ReplicaReport, Report
from tests.support.managements import TOKEN, Served, served

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 10  # of each kind for each route
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NAMES = {"name": "app", "model": "m", "version": "1"}  # what there is


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Management that is about to end: no long poll waits, and the stream of events ends at once.

    Nothing that is asked of it can hurt: it has no artifacts, and its container manager starts nothing.
    """
    with served(tmp_path_factory.mktemp("management")) as management:
        management.do(management.changes.close)
        yield management


def fill(management: Served, client: httpx2.Client) -> None:
    """See to it that what `NAMES` names is there, has a history, and a replica that dialled in.

    Its query frontend is where management is, which can be asked, and has no trace of any query.
    """
    app = {"name": "app", "input_type": "doubles", "default_output": "", "latency_slo_micros": 1000}
    client.post("/admin/add_app", json=app)
    model = {"model_name": "m", "model_version": "1", "input_type": "doubles"}
    client.post("/admin/add_model", json=model)
    client.post("/admin/add_model_links", json={"app_name": "app", "model_names": ["m"]})
    report = Report(
        "0", 1, True, 10**9, management.address, [ReplicaReport("m", "1", "elsewhere", True, 7)], []
    )
    management.do(lambda: management.frontends.on_report(report))


def test_generated_requests_are_answered_as_the_description_says(management: Served) -> None:
    schema = schemathesis.openapi.from_url(f"http://{management.address}/openapi.json")
    with management.client() as client, requests.Session() as session:
        session.trust_env = False
        operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
        assert len(operations) > 40
        for operation in operations:
            fill(management, client)
            for mode in GenerationMode:
                if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
                    continue  # there is nothing that could be wrong with it
                for names in ({}, NAMES):
                    there = {
                        name: names[name] for p in operation.path_parameters if (name := p.name) in names
                    }
                    if names and not there:
                        continue
                    run(operation, mode, there, session)


def run(operation: Any, mode: GenerationMode, names: dict[str, str], session: requests.Session) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=names or None))
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(session=session, headers=HEADERS, checks=CHECKS, timeout=60)

    ask()


def test_every_route_but_those_of_health_wants_the_token(management: Served) -> None:
    open_to_all = []
    with management.client(token=None) as client, management.client("wrong") as wrong:
        described = client.get("/openapi.json").json()
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                if "security" not in operation:
                    open_to_all.append(path)
                    continue
                assert operation["security"] == [{"token": []}]
                url = path.format(
                    digest="sha256:" + 64 * "0", query_id=1, **NAMES, frontend="0", label="stable"
                )
                for stranger in (client, wrong):
                    response = stranger.request(method, url, json={})
                    assert response.status_code == 401, f"{method} {path}: {response.text}"
                    assert response.headers["www-authenticate"] == "Bearer"
    assert open_to_all == ["/api/v1/health", "/admin/ping"]
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_route_says_what_it_does(management: Served) -> None:
    with management.client() as client:
        described = client.get("/openapi.json").json()
    operations = [o for operations in described["paths"].values() for o in operations.values()]
    assert not [o["operationId"] for o in operations if not o.get("description")]
    assert len({o["operationId"] for o in operations}) == len(operations)
    assert not [o["operationId"] for o in operations if "422" in o["responses"]]
