"""The variables that a deploy adds to the environment of a version's replicas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import BadRequest
from .plain import is_text

MOST = 100
MOST_CHARACTERS = 32_768  # names and values together: what a process is given has an end
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_OURS = re.compile(r"CLIPPER_.*|CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES")


def read(env: Any) -> dict[str, str]:
    """Raises BadRequest, which quotes no value: they may be secrets."""
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise BadRequest(
            f'env must be a dictionary of texts, such as {{"HF_HOME": "/data"}}, not {type(env)}.'
        )
    for name, value in env.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRequest(f"env: {name!r} is no name of a variable: use letters, digits and underscores.")
        if _OURS.fullmatch(name):
            raise BadRequest(
                f"env: {name} is Clipper Lab's own to set. resources= gives a replica its GPUs; yours needs "
                "another name."
            )
        if not isinstance(value, str) or "\0" in value or not is_text(value):
            raise BadRequest(f"env: the value of {name} must be a text that can be written as UTF-8.")
    size = sum(len(name) + len(value) for name, value in env.items())
    if len(env) > MOST or size > MOST_CHARACTERS:
        raise BadRequest(
            f"env has {len(env)} variables and {size} characters; {MOST} and {MOST_CHARACTERS} are the most. "
            "What is larger belongs into a file of the model."
        )
    return dict(env)
