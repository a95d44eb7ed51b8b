"""What the answers of other systems' ports say in headers of their own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from clipper_container.wire import Fault
from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols.answering import lines, marks, new_id
from clipper_server.query.protocols.rpc import Call
from clipper_server.query.request import Answer
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.own_port import opened

PORTS = {
    "tensorflow-serving": ("/v1/models/a:predict", {"instances": [[1]]}),
    "sagemaker": ("/invocations", {"instances": [[1]]}),
    "azureml": ("/score", {"data": [[1]]}),
    "torchserve": ("/predictions/a", [1]),
}
EVIL = "a\r\nx-evil: 1\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK"


@pytest.mark.anyio
@pytest.mark.parametrize("name", PORTS)
async def test_a_reason_that_would_write_headers_is_not_written(name: str) -> None:
    """It is a container's word, and anybody's who made that."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("a", "doubles", -1, 5_000_000, ["m"])
    configuration.apply(Snapshot(1, [spec], [version_spec()], {"m": "1"}))
    configuration.is_local = True  # where SageMaker's requests need no signature
    reasons = [EVIL, "deadline"]
    FakeReplica(configuration.queues["m", "1"], 0.0, answer=lambda _: [Fault(reasons.pop(0), "m")])
    path, body = PORTS[name]
    async with opened(name, configuration) as client:
        refused = await client.post(path, json=body)
        assert (refused.status_code, "x-evil" in refused.headers) == (500, False)
        good = await client.post(path, json=body)
        assert (good.status_code, good.headers["x-default-answer"]) == (200, "deadline")


def test_lines_are_headers_and_nothing_else() -> None:
    assert lines([(b"a", b"1"), (b"b", b"2, 3")]) == b"\r\na: 1\r\nb: 2, 3"
    for value in (b"1\r\nc: 4", b"1\n2", b"\0"):
        with pytest.raises(ValueError, match="'a' cannot be"):
            lines([(b"a", value)])


@pytest.mark.parametrize("token", [None, "t"])
@pytest.mark.parametrize("fault", [None, Fault("deadline", "m")])
def test_one_answer_is_marked_as_several_are(token: str | None, fault: Fault | None) -> None:
    answer = Answer(7, None if fault else b"1", fault, "1", token=token)
    one = dict(line.split(b": ") for line in marks([answer]).split(b"\r\n")[1:])
    two = dict(line.split(b": ") for line in marks([answer, answer]).split(b"\r\n")[1:])
    assert one.keys() == two.keys() - {b"x-default-rows"}
    assert one[b"x-clipper-query-id"] == b"7"
    assert two[b"x-clipper-query-id"] == b"7, 7"


def told(*faulty: int, count: int = 1000) -> dict[str, str]:
    """The headers of so many answers, of which these rows have the default output."""
    fault = Fault("deadline", "m")
    answers = [
        Answer(64 * i, None if i in faulty else b"1", fault if i in faulty else None, "1", token="t")
        for i in range(count)
    ]
    found = dict(line.decode().split(": ") for line in marks(answers).split(b"\r\n")[1:])
    trailing: list[tuple[str, str]] = []

    def keep(marks: Any) -> None:
        trailing[:] = marks

    call = Call(SimpleNamespace(invocation_metadata=lambda: [], set_trailing_metadata=keep))
    call.mark_defaults(answers)
    call.mark_ids(answers)
    assert dict(trailing) == found  # gRPC says the same
    return found


def test_of_many_rows_ids_and_defaults_are_told_as_ranges() -> None:
    assert told(count=65) == {"x-clipper-query-id": "0-4096"}
    assert told(0, 7, 8, 9, 998, 999) == {
        "x-default-answer": "deadline",
        "x-default-rows": "0, 7-9, 998-999",
        "x-clipper-query-id": "0-63936",
    }
    assert told(*range(1000))["x-default-rows"] == "0-999"
    few = told(0, 1, 2, count=64)
    assert (few["x-default-rows"], few["x-clipper-query-id"].count(","), len(few)) == ("0, 1, 2", 63, 4)


def test_of_more_ranges_than_a_header_has_room_for_the_first_are_told() -> None:
    rows = told(*range(0, 20_000, 2), count=20_000)["x-default-rows"].split(", ")
    assert rows[-1] == "..."
    assert rows[:-1] == [str(2 * i) for i in range(len(rows) - 1)]
    assert 1900 < len(", ".join(rows)) < 2100


def test_ids_differ_and_have_the_form_of_a_uuid() -> None:
    found = [new_id() for _ in range(1000)]
    assert len({*found}) == 1000
    assert {tuple(map(len, one.split(b"-"))) for one in found} == {(8, 4, 4, 4, 12)}
