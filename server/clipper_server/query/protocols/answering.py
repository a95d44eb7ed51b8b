"""What protocols over REST have in common in their answers."""

from __future__ import annotations

import os
from collections.abc import Sequence

from starlette.responses import Response as HTTPResponse

from clipper_container.errors import BadRequest, TooLarge

from ..request import BROKEN, Answer, are_small
from . import Adapter, Headers, Refused, Response
from .json_body import Body

MOST = 64
"""Of more answers the headers do not tell their ids: nobody takes headers of any length."""


def marks(answers: Sequence[Answer]) -> list[tuple[bytes, bytes]]:
    """Headers: the reasons of default outputs and which rows have them, the queries' ids, and tokens for
    feedback.
    """
    found = []
    if reasons := {answer.fault.reason for answer in answers if answer.fault is not None}:
        found.append((b"x-default-answer", ", ".join(sorted(reasons)).encode()))
        if 1 < len(answers) <= MOST:
            rows = [str(i) for i, answer in enumerate(answers) if answer.fault is not None]
            found.append((b"x-default-rows", ", ".join(rows).encode()))
    if 0 < len(answers) <= MOST:
        found.append((b"x-clipper-query-id", ", ".join(str(each.query_id) for each in answers).encode()))
        tokens = [answer.token for answer in answers]
        if any(tokens):
            found.append((b"x-clipper-feedback-token", ", ".join(token or "" for token in tokens).encode()))
    return found


def answered_by(answers: Sequence[Answer]) -> bytes:
    """The version that answered, or model:version where the application chooses among several; with commas
    where not all rows have the same one, and empty where none is one version's.
    """
    found = {
        (answer.choice.model or "") if answer.choice is not None else answer.version: None
        for answer in answers
        if answer.fault is None
    }
    return ", ".join(list(filter(None, found))[:MOST]).encode()


def new_id() -> bytes:
    """By which a request is known: a UUID at random."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}".encode()


def sent(response: Response) -> HTTPResponse:
    """The same from an ASGI application."""
    headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
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
