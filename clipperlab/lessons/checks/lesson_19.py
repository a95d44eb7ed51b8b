"""Checks of lesson 19, on clients of other systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx2

from . import Checked, NotYet, check

if TYPE_CHECKING:
    from ...display.rollout import Rollout
    from ...display.shadow import Shadow

PORTS = frozenset({"tensorflow-serving", "open-inference-grpc", "sagemaker", "torchserve", "azureml"})


@check(
    "elsewhere-asked",
    hints=(
        "All eight ask the application digits for the same picture.",
        "The number stands in output, in outputs[0].data and in predictions; or it is all there is.",
        'json.loads(serving[0])["predictions"][0], json.loads(azure[-1])[0]',
    ),
)
def asked(wb: Checked, said: Mapping[str, int]) -> None:
    if len(said) < 8:
        raise NotYet(f"There are {len(said)} answers, and there should be eight.")
    if len(set(said.values())) != 1:
        raise NotYet(f"They do not agree: {dict(said)}.")
    on = {found["name"] for found in wb.conn.protocols() if found["state"] == "on"}
    if missing := sorted(PORTS - on):
        raise NotYet(f"Protocols with ports of their own should be on, and are not: {', '.join(missing)}.")


@check(
    "elsewhere-late",
    hints=(
        "Each protocol has a place of its own for it.",
        "A header X-Default-Answer, the field default_reason, the parameter defaults.",
        'by_tensorflow.headers["x-default-answer"]',
    ),
)
def late(wb: Checked, reasons: Mapping[str, str | None]) -> None:
    missing = [name for name, reason in reasons.items() if reason != "deadline"]
    if missing:
        raise NotYet(f"Of {', '.join(missing)} the reason should be deadline.")


@check(
    "elsewhere-deadline",
    hints=(
        "The call leaves less time than the objective of the application.",
        "client_timeout is in seconds.",
        'over_grpc.infer("slow", [four], client_timeout=1)',
    ),
)
def deadline(wb: Checked, query_id: int) -> None:
    trace = wb.conn.why(query_id)
    if trace["protocol"] != "open-inference-grpc" or trace["reason"] != "deadline":
        raise NotYet(f"Query {query_id} came by {trace['protocol']}, and its reason is {trace['reason']}.")
    if trace["objective_ms"] >= 1000:
        raise NotYet(f"It had {trace['objective_ms']:g} ms, and should have less than 1000.")


@check(
    "elsewhere-rows",
    hints=(
        "The same pictures, in fewer requests.",
        "instances takes a list of rows.",
        'json={"instances": rows[start : start + 64].tolist()}',
    ),
)
def rows(wb: Checked, single_s: float, rows_s: float, answers: Sequence[int], same: Sequence[int]) -> None:
    if list(answers) != list(same):
        raise NotYet("Both ways should answer the same.")
    if single_s < 2 * rows_s:
        raise NotYet(f"One by one took {single_s:.2f} s, and together {rows_s:.2f} s: not half as long.")


@check(
    "elsewhere-label",
    hints=(
        "A label is moved by the call that made it.",
        "It is set for another version of the same model.",
        'conn.set_version_label("digits", 2, "stable")',
    ),
)
def label(wb: Checked, failed: int) -> None:
    if failed:
        raise NotYet(f"{failed} requests failed.")


@check(
    "elsewhere-theirs",
    hints=(
        "Their server is version 1 of reader, and yours is version 2.",
        "A shadow shows what version 2 would say, and a rollout goes over to it.",
        'conn.start_rollout("reader", 2, steps=[0.2, 0.5, 1], hold_s=1)',
    ),
)
def theirs(wb: Checked, shadow: Shadow, rollout: Rollout, failed: int, alone: Mapping[str, Any]) -> None:
    compared = shadow.now["seen"]["compared"]
    if compared < 200:
        raise NotYet(f"{compared} answers are compared, and there should be 200.")
    if rollout.state != "passed":
        raise NotYet(f"The rollout is {rollout.state}: {rollout.verdict()}")
    if failed:
        raise NotYet(f"{failed} queries failed.")
    if alone["default"]:
        raise NotYet(f"Without their server the answer is a default output: {alone['default_explanation']}")


class _Response:
    """What a client sees of a response. It stands in for answers that are hard to come by."""

    def __init__(self, body: Any, **headers: str) -> None:
        self._body = body
        self.headers = httpx2.Headers({name.replace("_", "-"): value for name, value in headers.items()})

    def json(self) -> Any:
        return self._body


@check(
    "exercise-elsewhere-default",
    hints=(
        "Two of the three mark it by a header, and Clipper's says it in the body.",
        "X-Default-Answer and default_reason.",
        'response.headers.get("x-default-answer") or response.json().get("default_reason")',
    ),
)
def default(wb: Checked, answered: Callable[[Any], str | None]) -> None:
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
    cases: list[tuple[Any, str | None]] = [
        (wb.http.post("/slow/predict", json={"input": [1.0]}), "deadline"),
        (wb.http.post("/v2/models/slow/infer", json={"inputs": [tensor]}), "deadline"),
        (wb.http.post("/total/predict", json={"input": [1.0, 2.0]}), None),
        (_Response({"predictions": [-1.0]}, x_default_answer="overload"), "overload"),
        (_Response({"predictions": [3.0]}), None),
    ]
    for response, expected in cases:
        found = answered(response)
        if found != expected:
            raise NotYet(f"Of {response.json()} it returns {found!r}, and should return {expected!r}.")


@check(
    "exercise-elsewhere-rows",
    hints=(
        "One request takes many rows, and gives as many predictions.",
        'The body is {"instances": rows}, and the answer {"predictions": [...]}.',
        'web.post(f"{tensorflow}/v1/models/total:predict", json={"instances": rows})',
    ),
)
def all_rows(wb: Checked, totals: Callable[..., Any], tensorflow: str, web: httpx2.Client) -> None:
    requests: list[httpx2.Request] = []
    web.event_hooks["request"].append(requests.append)
    try:
        found = totals(tensorflow, web, [[1.0, 2.0], [3.5, 0.0], [0.25, 0.5]])
    finally:
        web.event_hooks["request"].remove(requests.append)
    if found is None:
        raise NotYet("The function returns nothing.")
    if list(found) != [3.0, 3.5, 0.75]:
        raise NotYet(f"It returns {found}, and should return [3.0, 3.5, 0.75].")
    if len(requests) != 1:
        raise NotYet(f"It made {len(requests)} requests, and one is enough.")


@check(
    "exercise-elsewhere-label",
    hints=(
        "A version that is deployed and not current is staged.",
        "make_current=False stages it, and set_version_label gives it a label.",
        'conn.set_version_label("total", 2, "next")',
    ),
)
def next_label(wb: Checked, tensorflow: str, web: httpx2.Client) -> None:
    current = wb.conn.get_current_model_version("total")
    if current != "1":
        raise NotYet(f"Version {current} of total is current, and it should be 1.")
    answer = web.get(f"{tensorflow}/v1/models/total/labels/next")
    if answer.status_code != 200:
        raise NotYet(f"Nobody finds the label next: {answer.json()['error']}.")
    (found,) = answer.json()["model_version_status"]
    if found["version"] != "2":
        raise NotYet(f"The label next is version {found['version']}'s, and it should be 2's.")
