"""Loads a model archive of TorchServe's or multi-model-server's: its handler answers, a batch at a time.

As there, the handler gets a list with {"body": input} for each request, and answers a list as long. An input
with names has those beside its body, as the fields of a form. What it says of a request by
`context.set_response_status`, from 400 on, is that request's error, and so is an exception in an output's
place.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..archives import manifest, stand_ins
from ..archives.context import Context
from ..archives.handlers import Handle, handler_in
from ..errors import ArtifactError
from . import Predict
from .files import unpacked
from .python import Function


class RequestFailed(Exception):
    """The handler gave a request a status of an error."""


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    explain = manifest.EXPLAIN in parts
    files = {
        name.removeprefix(manifest.PREFIX): data for name, data in parts.items() if name != manifest.EXPLAIN
    }
    folder = unpacked(files)
    about = manifest.find(files.get)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    stand_ins.install()
    gpu_id = 0 if os.environ.get("CUDA_VISIBLE_DEVICES") else None
    config = _config(folder, about.model.config_file)
    name = about.model.model_name or ""
    context = Context(name, str(folder), about.whole, config, gpu_id, explain=explain)
    return Function(_answering(handler_in(folder, about, context), context), whole=True)


def _config(folder: Path, name: str | None) -> Any:
    """What the archive's configuration says, in YAML. Raises ArtifactError."""
    if not name:
        return {}
    try:
        import yaml
    except ImportError:
        raise ArtifactError(
            f'The archive has a configuration, {name}, which wants YAML: pkgs_to_install=["pyyaml"] has it.'
        ) from None
    try:
        return yaml.safe_load((folder / name).read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise ArtifactError(f"The archive's configuration {name} cannot be read: {error}.") from None


def _answering(handle: Handle, context: Context) -> Predict:
    lock = threading.Lock()  # as TorchServe's workers, which work at one batch at a time

    def answer(data: list[dict[str, Any]]) -> Sequence[Any]:
        with lock:
            context.begin(len(data))
            outputs = handle(data, context)
            failed = context.failed
        if failed:
            if not isinstance(outputs, list | tuple) or len(outputs) != len(data):
                raise RequestFailed("; ".join(failed.values()))
            outputs = [
                RequestFailed(f"{failed[i]}: {output}") if i in failed else output
                for i, output in enumerate(outputs)
            ]
        return outputs  # type: ignore[no-any-return]

    def predict(inputs: Any) -> Sequence[Any]:
        requests = _requests(inputs)
        if context.explain:  # one by one: what explains looks at the target of the first
            return [output for request in requests for output in answer([request])]
        return answer(requests)

    return predict


def _requests(inputs: Any) -> list[dict[str, Any]]:
    """Of each what its body says, as JSON has it, and its fields; bytes as they are."""
    if hasattr(inputs, "to_dict"):
        rows = inputs.to_dict("records")
    elif isinstance(inputs, dict):
        columns = [list(map(_plain, values)) for values in inputs.values()]
        rows = [dict(zip(inputs, row, strict=True)) for row in zip(*columns, strict=True)]
    else:
        return [{"body": _plain(value)} for value in inputs]
    return [{"body": row, **row} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytearray(value)
    return value.tolist() if hasattr(value, "tolist") else value
