"""What protocols over REST have in common in their answers."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence

from starlette.responses import Response as HTTPResponse
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE

from clipper_container.errors import BadRequest, TooLarge

from ..request import BROKEN, Answer, are_small
from . import Adapter, Headers, Refused, Response
from .json_body import Body

MOST = 64
"""Of more answers the headers tell ids and rows as ranges: nobody takes headers of any length."""
_LONGEST = 2000  # characters of ranges


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they travel, each after the end of a line. Raises ValueError where a value would write
    others.
    """
    found = []
    for name, value in headers:
        if HEADER_VALUE_RE.search(value):
            raise ValueError(f"the header {name!r} cannot be {value!r}")
        found.append(b"\r\n%b: %b" % (name, value))
    return b"".join(found)


def marks(answers: Sequence[Answer]) -> bytes:
    """Header lines: the reasons of default outputs and which rows have them, the queries' ids, and tokens for
    feedback.
    """
    if len(answers) == 1 and answers[0].fault is None and answers[0].token is None:
        return b"\r\nx-clipper-query-id: %d" % answers[0].query_id  # as most are
    found = []
    if reasons := {answer.fault.reason for answer in answers if answer.fault is not None}:
        found.append((b"x-default-answer", ", ".join(sorted(reasons)).encode()))
        if len(answers) > 1:
            found.append((b"x-default-rows", default_rows(answers).encode()))
    if answers:
        found.append((b"x-clipper-query-id", ids_of(answers).encode()))
        tokens = [answer.token for answer in answers] if len(answers) <= MOST else []
        if any(tokens):
            found.append((b"x-clipper-feedback-token", ", ".join(token or "" for token in tokens).encode()))
    return lines(found)


def ids_of(answers: Sequence[Answer]) -> str:
    """Those of the queries: each; or of many, whose ids are consecutive, first-last."""
    if len(answers) > MOST:
        return f"{answers[0].query_id}-{answers[-1].query_id}"
    return ", ".join(str(answer.query_id) for answer in answers)


def default_rows(answers: Sequence[Answer]) -> str:
    """Those that have the default output, from 0: each; or of many answers as ranges, first-last, and `...`
    where there are more than fit.
    """
    rows = [i for i, answer in enumerate(answers) if answer.fault is not None]
    if len(answers) <= MOST:
        return ", ".join(map(str, rows))
    text = ""
    firsts = [i for i, row in enumerate(rows) if not i or row != rows[i - 1] + 1]
    for first, end in itertools.pairwise([*firsts, len(rows)]):
        if len(text) > _LONGEST:
            return f"{text}, ..."
        span = f"{rows[first]}-{rows[end - 1]}" if end - first > 1 else str(rows[first])
        text += f", {span}" if text else span
    return text


def answered_by(answers: Sequence[Answer]) -> str:
    """The version that answered, or model:version where the application chooses among several; with commas
    where not all rows have the same one, and empty where none is one version's.
    """
    if len(answers) == 1 and answers[0].choice is None and answers[0].fault is None:
        return answers[0].version
    found = {
        (answer.choice.model or "") if answer.choice is not None else answer.version: None
        for answer in answers
        if answer.fault is None
    }
    return ", ".join(list(filter(None, found))[:MOST])


_AT_RANDOM = str(uuid.uuid4())[:24].encode()
_COUNT = itertools.count()


def new_id() -> bytes:
    """By which a request is known: a UUID, of which one part is this process's at random, and one counts.

    It is no secret, and who has two of them knows how many others came between.
    """
    return b"%b%012x" % (_AT_RANDOM, next(_COUNT))


def sent(response: Response) -> HTTPResponse:
    """The same from an ASGI application."""
    headers = {name.decode(): value.decode("latin-1") for name, value in response.all_headers()}
    return HTTPResponse(b"".join([response.body, *response.rest]), response.status, headers)


async def answered(adapter: Adapter, headers: Headers, body: Body) -> Response:
    """The same as an exchange does in callbacks, for what does not come as a POST."""
    application = adapter.application
    try:
        request = adapter.parse(headers, body)
        answers = await application.answers(request)
    except Refused as error:
        application.metrics.bad_requests += 1
        return error.response
    except (BadRequest, TooLarge) as error:
        application.metrics.bad_requests += 1
        return adapter.refuse(error.http_status, "", str(error))
    if (fault := application.refusal(answers)) is not None:
        if fault.reason == BROKEN:
            return adapter.refuse(500, "", fault.message)
        response = adapter.refuse(429, "", fault.message)
        retry = b"retry-after", b"%d" % application.retry_after_s()
        return response._replace(headers=[*response.headers, retry])
    if are_small(answers):
        return adapter.encode(request, answers)
    return await application.parts.slices.result(adapter.encode_in_steps(request, answers))
