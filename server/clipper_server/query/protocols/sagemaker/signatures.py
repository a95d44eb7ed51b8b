"""Signatures of requests, as Amazon's clients make them: version 4."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from clipper_container.remotes.signing import ALGORITHM, END, MOMENT, SERVICE, Scope, signature

from .. import Headers
from ..json_body import Body

APART = timedelta(minutes=15)
"""So far may a client's clock be from ours."""
MOST_NAMES = 64
"""Of signed headers: each is copied, before one knows who asks."""


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
    key, scope = credential[0], Scope(*credential[1:])
    moment = headers.get(b"x-amz-date", b"").decode("latin-1")
    _check_scope(scope, moment, now)
    secret = keys.get(key)
    found = b""
    if secret is not None:
        sent = {name: headers.get(name.encode("latin-1", "replace"), b"").decode("latin-1") for name in names}
        found = signature(secret, scope, moment, path, sent, body).encode()
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


def _check_scope(scope: Scope, moment: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(moment, MOMENT).replace(tzinfo=UTC)
    except ValueError:
        raise Unsigned(
            "IncompleteSignatureException", "The header X-Amz-Date is to say when it was signed."
        ) from None
    if abs(signed_at - now) > APART or scope.day != moment[:8]:
        raise Unsigned(
            "InvalidSignatureException",
            f"It was signed at {moment}, and here it is {now.strftime(MOMENT)}.",
        )
    if scope.service != SERVICE or scope.end != END:
        raise Unsigned(
            "InvalidSignatureException", f"It is signed for {scope.service[:50]!r}, not {SERVICE!r}."
        )
