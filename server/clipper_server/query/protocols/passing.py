"""What clients have management do with models: with the token that they send, and with no other."""

from __future__ import annotations

import re
from urllib.parse import quote

from clipper_container.errors import BadRequest, Unauthorized

from ..application import Application
from . import Headers

HOW = "Models are deployed from Python, with deploy_python_closure and its like"
_TOKEN = re.compile(rb"[!-~]{1,1024}")


def token_of(headers: Headers) -> str:
    """Raises Unauthorized where there is none; whether it is the right one management says."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer":
        token = headers.get(b"x-clipper-token", b"")
    if _TOKEN.fullmatch(token) is None:
        raise Unauthorized(
            "Who changes models needs the cluster's token, in the header X-Clipper-Token or as "
            "Authorization: Bearer. It is in the cluster's cluster.json."
        )
    return token.decode()


def model_of(application: Application) -> str:
    """The one whose versions the application's are. Raises BadRequest."""
    models = list(dict.fromkeys(arm.model for arm in application.policy.arms))
    if len(models) != 1:
        raise BadRequest(
            f"Versions are loaded and unloaded where there is one model, and {application.name} asks "
            f"{', '.join(models) or 'none'}. Use set_model_version or stop_versioned_models, from Python."
        )
    return models[0]


def path_of(model: str, *below: str) -> str:
    """Where management has the model, or what is below it."""
    return "/".join(["/models", *(quote(part, safe="") for part in (model, *below))])
