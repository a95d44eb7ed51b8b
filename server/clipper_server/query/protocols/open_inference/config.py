"""A model's configuration as Triton tells it, as far as there is something to tell."""

from __future__ import annotations

from typing import Any

from . import OpenInferenceProtocol
from .metadata import PLATFORM, metadata

_TYPES = {"BYTES": "TYPE_STRING"}


def config(name: str, versions: list[str], adapter: OpenInferenceProtocol) -> dict[str, Any]:
    """As JSON, and as the fields of the message.

    Requests have up to `max_batch_size` inputs, which the first dimension counts: `dims` are the others, or
    one of 1 where there are none.
    """
    told = metadata(name, versions, adapter)
    return {
        "name": name,
        "platform": PLATFORM,
        "backend": PLATFORM,
        "version_policy": {"all": {}},
        "max_batch_size": min(adapter.limits.inputs, 2**31 - 1),
        "input": [_tensor(each) for each in told["inputs"]],
        "output": [_tensor(each) for each in told["outputs"]],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": False},
    }


def _tensor(told: dict[str, Any]) -> dict[str, Any]:
    datatype = told["datatype"]
    return {
        "name": told["name"],
        "data_type": _TYPES.get(datatype, f"TYPE_{datatype}"),
        "dims": told["shape"][1:] or [1],
    }
