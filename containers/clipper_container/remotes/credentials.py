"""Amazon's credentials, with which requests to SageMaker are signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ..errors import BadRequest
from .address import Address
from .connections import Request
from .signing import ALGORITHM, MOMENT, Scope, signature

_KEY, _SECRET, _TOKEN, _REGION = NAMES = (
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region_name"),
)
"""As boto3 calls them. The token is there with credentials that end, and the region may be in the host."""
_HOST = re.compile(r"runtime\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def are_in(secret: Mapping[str, str]) -> bool:
    """Whether it has any, and not headers."""
    return not secret.keys().isdisjoint(NAMES)


class Signer:
    """Signs requests to this address. Raises BadRequest where the secret is not all that this takes."""

    def __init__(
        self,
        secret: Mapping[str, str],
        address: Address,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        host = _HOST.fullmatch(address.host)
        region = secret.get(_REGION) or (host[1] if host else "")
        if not {_KEY, _SECRET} <= secret.keys() <= set(NAMES) or not region:
            raise BadRequest(
                f"secret: requests are signed with {_KEY} and {_SECRET}, with {_TOKEN} where there is one, "
                f"and with {_REGION} where the host does not name it; and with nothing besides."
            )
        self._key, self._secret, self._token = secret[_KEY], secret[_SECRET], secret.get(_TOKEN)
        self.secrets = tuple(filter(None, (self._key, self._secret, self._token)))
        """What nobody is shown."""
        self._region = region
        self._host = address.authority
        self._now = now

    def __call__(self, request: Request) -> Request:
        moment = self._now().strftime(MOMENT)
        more = {"X-Amz-Date": moment} | ({"X-Amz-Security-Token": self._token} if self._token else {})
        kind = {name: value for name, value in request.headers.items() if name == "Content-Type"}
        given = {**kind, "Host": self._host, **more}
        signed = {name.lower(): value for name, value in sorted(given.items())}
        scope = Scope(moment[:8], self._region)
        found = signature(self._secret, scope, moment, request.path, signed, request.body)
        who = f"Credential={self._key}/{'/'.join(scope)}, SignedHeaders={';'.join(signed)}"
        more["Authorization"] = f"{ALGORITHM} {who}, Signature={found}"
        return request._replace(headers={**request.headers, **more})
