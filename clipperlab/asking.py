"""Asks an application over HTTP, as any client would."""

from __future__ import annotations

from typing import Any

import httpx2

from clipper_container.errors import BadRequest, ClipperException, ClusterError, NotFound, TooLarge
from clipper_container.plain import as_json

ANSWER_S = 60.0
_HEADERS = {"Content-Type": "application/json"}


def ask(url: str, fields: dict[str, Any] | list[dict[str, Any]], *, cache: bool = True) -> dict[str, Any]:
    """POST `fields` as JSON, where NaN is null; the answer, which is computed anew without `cache`.

    Raises BadRequest, TooLarge, NotFound or ClusterError.
    """
    try:
        # Plain HTTP, so there is nothing to verify: to read the machine's certificates takes long.
        body = as_json(fields)
        headers = _HEADERS if cache else {**_HEADERS, "Cache-Control": "no-cache"}
        response = httpx2.post(
            url, content=body, headers=headers, trust_env=False, timeout=ANSWER_S, verify=False
        )
    except httpx2.HTTPError as error:
        raise ClusterError(
            f"The query frontend at {url} does not answer ({str(error) or type(error).__name__}). status() "
            "tells what runs."
        ) from error
    except (TypeError, ValueError) as error:
        raise BadRequest(f"The question cannot be written as JSON: {error}.") from error
    if response.is_error:
        try:
            cause = str(response.json()["cause"])
        except (ValueError, KeyError, TypeError):
            cause = response.text[:300]
        kinds: dict[int, type[ClipperException]] = {400: BadRequest, 404: NotFound, 413: TooLarge}
        raise kinds.get(response.status_code, ClusterError)(cause)
    answer: dict[str, Any] = response.json()
    return answer
