"""Where a remote model is: the URL that its deployer gave."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import BadRequest

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[!-~]{1,2000}")


class Address(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host, with its port where that is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def read(url: object) -> Address:
    """Raises BadRequest, which quotes nothing where a URL holds what may be a secret."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise BadRequest(
            f"url must be the text of a URL, such as http://host:8080/v2/models/m, not {url!r:.100}."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadRequest(f"url is none: {error}. Give one such as http://host:8080/v2/models/m.") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadRequest(
            "url must be scheme, host, port and path alone, for it is shown in what fails. Give a user, a "
            'password or a key by secret=, such as secret={"Authorization": "Basic ..."}.'
        )
    if parts.scheme not in _PORTS or not host:
        raise BadRequest(f"url must begin with http:// or https:// and a host, and {url[:100]!r} does not.")
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))
