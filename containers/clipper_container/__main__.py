"""Runs one replica: `python -m clipper_container`, told what to run by its environment.

CLIPPER_MODEL_NAME, CLIPPER_MODEL_VERSION, CLIPPER_REPLICA  who it is
CLIPPER_FRONTENDS   where the query frontends are: a glob of Unix sockets, names with ports, or a list
CLIPPER_ARTIFACT    address of the artifact, which ends in its digest
CLIPPER_TOKEN       the credential for its hello and its artifact; removed before the model is loaded
CLIPPER_MAX_BATCH   the largest batch that the warm-up may try
CLIPPER_CONCURRENCY  how many batches it works on at once
CLIPPER_MEMORY      bytes of memory that it may have; may be left out
CLIPPER_GPUS        the GPUs that it may use, as CUDA_VISIBLE_DEVICES has them, or "all"; may be left out
CLIPPER_LAST_WORDS  file for the reason why the model could not be loaded; "-" is the log
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from . import artifact, by_value, children, faults, gpus, log, wire
from . import words as last_words
from .coroutines import is_async
from .limits import limit_memory, out_of_memory
from .links import Links
from .loaders import load
from .mismatches import mismatches
from .replica import Replica, Warm, warm_up
from .several import blocking

SWITCH_S = 5e-4
MANAGEMENT_S = 30.0
AGAIN_S = 0.5


class Settings(msgspec.Struct, frozen=True, rename=lambda field: f"CLIPPER_{field.upper()}"):
    """The environment, read once."""

    model_name: str
    model_version: str
    replica: str
    frontends: str
    artifact: str
    token: str
    max_batch: int
    last_words: str
    concurrency: int = 1
    memory: int | None = None
    gpus: str = ""

    def __repr__(self) -> str:
        return f"<the settings of a replica of {self.model_name}:{self.model_version}>"  # without the token

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Settings:
        settings = msgspec.convert(dict(environ), cls, strict=False)
        del environ["CLIPPER_TOKEN"]
        return settings


def main() -> int:
    log.keep()
    by_value.install()
    try:
        settings = Settings.take(os.environ)
    except msgspec.ValidationError as error:
        sys.exit(f"clipper_container is started by a container manager, with its environment: {error}.")
    hello = wire.Hello(
        wire.WIRE_VERSION,
        settings.token,
        settings.model_name,
        settings.model_version,
        settings.replica,
        os.getpid(),
    )
    links = Links(settings.frontends, hello, settings.concurrency)
    replica = Replica(links)
    replica.end_on_signals()
    # A model that computes in Python keeps the wire thread waiting for no longer than this.
    sys.setswitchinterval(SWITCH_S)
    links.start()
    if settings.gpus:
        gpus.watch(settings.gpus)
    if settings.memory is not None:
        limit_memory(settings.memory)
    try:
        manifest, parts = fetch(settings.artifact, settings.token)
        predict = load(manifest.loader, parts, manifest.input_type, manifest.columns)
        measured = blocking(predict, replica.loop) if is_async(predict) else predict
        warm = Warm([]) if manifest.loader == "pipeline" else warm_up(measured, manifest, settings.max_batch)
    except BaseException as error:
        children.end_if_child(error)
        words = faults.words_of(error)
        if isinstance(error, MemoryError):
            words += f"\n\n{out_of_memory(settings.memory)}"
        last_words.leave(settings.last_words, words)
        faults.show(error)
        return 1
    children.end_if_child()
    replica.serve(predict, warm, mismatches(manifest.packages))
    links.close()
    return 0


def fetch(address: str, token: str) -> tuple[artifact.Manifest, dict[str, bytes]]:
    """Get the artifact over HTTP from management, and check that it is the one that was asked for."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artifact"
        with _opened(opener, request) as response, path.open("wb") as file:
            while chunk := response.read(1 << 20):
                file.write(chunk)
        return artifact.read(path, address.rpartition("/")[2])


def _opened(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Any:
    """The answer. Management may be starting again just now: it is asked again for a while."""
    give_up = time.monotonic() + MANAGEMENT_S
    while True:
        try:
            return opener.open(request, timeout=60)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > give_up:
                raise
        time.sleep(AGAIN_S)


if __name__ == "__main__":
    sys.exit(main())
