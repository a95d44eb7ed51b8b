"""The container images that models run in, on one Docker engine: there, pulled, or built upon another."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import APIError, ImageNotFound

from clipper_container import image
from clipper_container.errors import DeployError

from .. import Runtime

PACKAGES = "clipper-packages"
LABEL = "org.clipperlab.packages"
KEPT = 20  # images with packages; the oldest that nobody runs go


class Images:
    """Those of the engine. With a `registry`, Clipper Lab's own are pulled from there where they are missing.

    Every method blocks, for minutes where it pulls or builds.
    """

    def __init__(self, engine: Any, registry: str) -> None:
        self._engine = engine
        self._registry = registry

    def of(self, runtime: Runtime) -> str:
        """The name of the image that a replica runs in. Raises ImageNotFound where its base is gone."""
        base = self.base(runtime)
        return self._with_packages(base, runtime.requirements) if runtime.requirements else base

    def base(self, runtime: Runtime) -> str:
        if runtime.image:
            return runtime.image
        python = minor(runtime)
        return image.tag(
            image.kind(runtime.loader, gpus=runtime.gpus), python=python, registry=self._registry
        )

    def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        """See that the image is there. Raises DeployError, with what can be done."""
        base = self.base(runtime)
        try:
            self._engine.images.get(base)
        except ImageNotFound:
            self._get(base, runtime, say)
        if runtime.requirements:
            wanted = self._with_packages(base, runtime.requirements)
            try:
                self._engine.images.get(wanted)
            except ImageNotFound:
                self._build(base, wanted, runtime.requirements, say)

    def _get(self, base: str, runtime: Runtime, say: Callable[[str], None]) -> None:
        if not (runtime.image or self._registry):
            python = minor(runtime)
            kind = image.kind(runtime.loader, gpus=runtime.gpus)
            raise DeployError(
                f"The engine has no image {base}. `clipperlab images build {kind}` "
                f"makes it, with clipperlab installed for Python {python}."
            )
        say(f"pulling {base}")
        name, digest = base.partition("@")[::2]
        repository, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:  # the colon of a registry's port
            repository, tag = name, "latest"
        try:
            words = self._engine.api.pull(repository, digest or tag, stream=True, decode=True)
            error = image.follow(words, lambda line: say(f"pulling {base}: {line}"))
        except APIError as raised:
            error = str(raised.explanation or raised)
        if error:
            raise DeployError(
                f"The engine has no image {base}, and cannot pull it: {error} Build it on this engine, or "
                "push it where the engine finds it."
            )

    def _build(
        self, base: str, wanted: str, requirements: tuple[str, ...], say: Callable[[str], None]
    ) -> None:
        """A layer with the packages, upon the image."""
        user = self._engine.images.get(base).attrs["Config"].get("User") or ""
        packages = ", ".join(requirements)
        say(f"pip installs {packages}")
        words = self._engine.api.build(
            fileobj=io.BytesIO(image.layer(base, user, requirements).encode()),
            tag=wanted,
            rm=True,
            forcerm=True,
            decode=True,
            labels={LABEL: packages},
        )
        error = image.follow(words, lambda line: say(f"pip installs {packages}: {line[:200]}"))
        if error:
            raise DeployError(
                f"The packages {packages} could not be installed. See that each one's name and version exist "
                f"for this Python, and that the engine reaches the index that pip uses. {error}"
            )
        self._remove_old()

    def _remove_old(self) -> None:
        found = self._engine.images.list(filters={"label": LABEL})
        for old in sorted(found, key=lambda i: str(i.attrs["Created"]), reverse=True)[KEPT:]:
            with suppress(APIError):  # somebody runs it
                self._engine.images.remove(old.id)

    def _with_packages(self, base: str, requirements: tuple[str, ...]) -> str:
        what = json.dumps([self._engine.images.get(base).id, *sorted(requirements)]).encode()
        return f"{PACKAGES}:{hashlib.sha256(what).hexdigest()[:16]}"


def minor(runtime: Runtime) -> str:
    """Python's minor version, such as 3.11, that the model was packaged with."""
    return ".".join(runtime.python_version.split(".")[:2]) or image.PYTHON
