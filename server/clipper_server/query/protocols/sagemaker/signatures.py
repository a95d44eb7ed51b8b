"""Signatures of requests, as Amazon's clients make them: version 4."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from .. import Headers
from ..json_body import Body

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "sagemaker"
APART = timedelta(minutes=15)
"""So far may a client's clock be from ours."""
MOST_NAMES = 64
"""Of signed headers: each is copied, before one knows who asks."""
_MOMENT = "%Y%m%dT%H%M%SZ"


class Unsigned(Exception):
    """A request is not signed as it must be; `code` is what Amazon calls that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check(keys: Mapping[str, str], path: str, headers: Headers, body: Body, now: datetime) -> None:
    """Raises Unsigned where a POST to `path`, without a query, is not signed with one of the keys."""
    if not keys:
        raise Unsigned(
            "AccessDeniedException",
            "Other machines reach this port, and it has no key with which requests could be signed. "
            "start_protocol('sagemaker', key=...) gives it one.",
        )
    given = headers.get(b"authorization")
    if given is None:
        raise Unsigned("MissingAuthenticationTokenException", "The request is not signed.")
    signed = _read(given.decode("latin-1"))
    credential = signed.get("Credential", "").split("/")
    names = signed.get("SignedHeaders", "").split(";", MOST_NAMES)
    if len(credential) != 5 or not signed.get("Signature") or "host" not in names:
        raise Unsigned(
            "IncompleteSignatureException",
            f"The header Authorization is to have {ALGORITHM} with a Credential, SignedHeaders, among them "
            "host, and a Signature.",
        )
    if len(names) > MOST_NAMES or len(set(names)) != len(names):
        raise Unsigned(
            "IncompleteSignatureException",
            f"SignedHeaders names {MOST_NAMES} headers at most, and each of them once.",
        )
    key, day, region, service, end = credential
    moment = headers.get(b"x-amz-date", b"").decode("latin-1")
    _check_scope(day, service, end, moment, now)
    secret = keys.get(key)
    found = b""
    if secret is not None:
        scope = f"{day}/{region}/{service}/{end}"
        text = f"{ALGORITHM}\n{moment}\n{scope}\n{_canonical(path, names, headers, body)}"
        found = _signed(secret, (day, region, service, end), text)
    if not hmac.compare_digest(found, signed["Signature"].encode("latin-1", "replace")):
        raise Unsigned(
            "InvalidSignatureException" if secret is not None else "UnrecognizedClientException",
            "The signature is not what this port's key makes of the request: its path without a query, its "
            "signed headers, and its body as it was sent.",
        )


def _read(header: str) -> dict[str, str]:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise Unsigned("IncompleteSignatureException", f"Requests are signed by {ALGORITHM}.")
    pairs = (each.strip().partition("=") for each in rest.split(","))
    return {name: value for name, _, value in pairs}


def _check_scope(day: str, service: str, end: str, moment: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        raise Unsigned(
            "IncompleteSignatureException", "The header X-Amz-Date is to say when it was signed."
        ) from None
    if abs(signed_at - now) > APART or day != moment[:8]:
        raise Unsigned(
            "InvalidSignatureException",
            f"It was signed at {moment}, and here it is {now.strftime(_MOMENT)}.",
        )
    if service != SERVICE or end != "aws4_request":
        raise Unsigned("InvalidSignatureException", f"It is signed for {service[:50]!r}, not {SERVICE!r}.")


def _canonical(path: str, names: list[str], headers: Headers, body: Body) -> str:
    lines = [
        f"{name}:{' '.join(headers.get(name.encode('latin-1', 'replace'), b'').decode('latin-1').split())}\n"
        for name in names
    ]
    digest = hashlib.sha256(body).hexdigest()
    text = f"POST\n{path}\n\n{''.join(lines)}\n{';'.join(names)}\n{digest}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _signed(secret: str, scope: tuple[str, ...], text: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    return hmac.digest(key, text.encode("utf-8", "replace"), "sha256").hex().encode()
