"""`python -m clipper_server.sagemaker serve`: the command with which SageMaker starts a container.

SAGEMAKER_BIND_TO_PORT        where it listens; 8080 by default
SAGEMAKER_MODEL_SERVER_TIMEOUT  seconds that a request may take; 60 by default
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from msgspec import Meta

from clipper_container.errors import ClipperException

from ..supervisor import sentence
from .container import serve
from .model import Packaged

FOLDER = Path("/opt/ml/model")


class Settings(msgspec.Struct, frozen=True, rename=lambda field: f"SAGEMAKER_{field.upper()}"):
    """The environment, read once."""

    bind_to_port: Annotated[int, Meta(ge=1, lt=65536)] = 8080
    model_server_timeout: Annotated[float, Meta(gt=0, le=86_400)] = 60.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        return msgspec.convert(dict(environ), cls, strict=False)


def main(words: list[str], folder: Path = FOLDER) -> int:
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    if words != ["serve"]:
        told = f"This container serves a model: its command is serve, not {' '.join(words) or 'none'}."
        print(told, file=sys.stderr)  # noqa: T201
        return 2
    try:
        settings = Settings.read(os.environ)
        packaged = Packaged.find(folder)
        with tempfile.TemporaryDirectory(prefix="clipper-") as work:
            return uvloop.run(
                serve(packaged, Path(work), settings.bind_to_port, settings.model_server_timeout)
            )
    except (ClipperException, OSError, msgspec.ValidationError) as error:
        print(sentence(error), file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
