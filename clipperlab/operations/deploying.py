"""Versions that come: deployed from an artifact or an image, or registered where they run elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from clipper_container import artifact as artifacts
from clipper_container import variables
from clipper_container.counting import NEXT, next_version
from clipper_container.errors import AlreadyExists, ArtifactError, BadRequest
from clipper_container.steps import check_steps

from ..files import reading
from ..names import check_labels
from ..options import DeployOptions
from ..progress import Progress
from .canaries import check_rollout
from .deployed import Deployed, State, is_same, state_of
from .models import Models
from .replicas import READY_TIMEOUT_S

if TYPE_CHECKING:
    from ..management import Rollout, Version

LOOK_EVERY_S = 1.0  # while somebody watches


class Deploying(Models):
    """Operations that bring a version."""

    def deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: str | None = None,
        labels: Sequence[str] | None = None,
        num_replicas: int = 1,
        batch_size: int = -1,
        *,
        artifact: str | Path | None = None,
        example_input: object | None = None,
        size: str | None = None,
        **options: Unpack[DeployOptions],
    ) -> Deployed:
        """Deploy a version, and return when all its replicas are ready: it is then the current one.

        The version "next", or None, is the number after the largest. Nothing is deployed where the version
        (or, with "next", the current one) was deployed from the same artifact in the same way.

        `image` is a container image with Clipper Lab's entry point and a model in it, as `build_model` makes
        them, where the cluster runs containers. `artifact` is the path of a packaged model, which the
        deployers make; an image besides is what it runs in. `example_input` and `size` are as in the
        deployers, and for an image alone: an artifact has its own. `batch_size` is Clipper's way to say
        `batching`: -1 is "learned", 1 is "off", and n is "fixed(n)". `DeployOptions` tells of the others.

        Raises DeployError with the model's own traceback where the version does not come up, and leaves
        the version that serves alone; AlreadyExists, BadRequest or ArtifactError; ClusterError after
        `timeout_s`.

        >>> conn.save_artifact("digits", 1, "digits.zip")
        >>> print(conn.deploy_model("digits", 3, "doubles", artifact="digits.zip"))
        digits:3 is ready, and current.
        """
        management = self._management
        if artifact is None:
            if not image:
                raise BadRequest(
                    "deploy_model() takes an image with a model in it, or artifact=, the path of a packaged "
                    "model. The deployers, such as deployers.python, package a model and deploy it."
                )
            with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
                path = Path(folder) / "artifact.zip"
                artifacts.pack(
                    path,
                    loader=artifacts.IN_THE_IMAGE,
                    input_type=input_type,
                    parts={},
                    example_input=example_input,
                    size=size,
                )
                return self.deploy_model(
                    *(name, version, input_type, image, labels, num_replicas, batch_size),
                    artifact=path,
                    **options,
                )
        if example_input is not None or size is not None:
            raise BadRequest("example_input and size are for an image alone: the artifact has its own.")
        batching, kept = _batching(batch_size, options), check_labels(labels)
        path = Path(artifact)
        with reading(path):
            if not path.is_file():
                raise ArtifactError(
                    f"There is no artifact at {path}. The deployers, such as deployers.python, package a "
                    "model and deploy it."
                )
            digest = artifacts.digest(path)
        env = variables.read(options.get("env"))
        fields: dict[str, Any] = {**options, "batching": batching, **({"image": image} if image else {})}
        if env:
            fields["env"] = env
        wait = fields.pop("wait", True)
        timeout_s = fields.pop("timeout_s", READY_TIMEOUT_S)
        steps = fields.pop("rollout", None)
        applications = fields.pop("applications", None)
        if steps is not None:
            check_rollout(management, name, input_type, num_replicas, steps, options)
            fields["make_current"] = False
        elif applications is not None:
            raise BadRequest("applications= says for whom rollout= is: give that, or leave both out.")
        fields |= {
            "input_type": input_type,
            "artifact": digest,
            "labels": kept,
            "num_replicas": num_replicas,
        }
        version, same = self._numbered(name, version, fields)
        live = None if steps is None else self._live_rollout(name)
        if live is not None:
            if same is None or live["canary"] != str(version):
                raise AlreadyExists(
                    f"A model has one rollout at a time, and that of {name}:{live['canary']} runs already: "
                    f"promote or abort it first: `conn.rollout({name!r})` has both."
                )
            steps = None  # it is this one
        with Progress(f"Deploying {name}:{version}") as progress:
            if same is None:
                progress.say("uploading")
                management.upload(fields["artifact"], path)
                try:
                    management.deploy(name, version, fields)
                except AlreadyExists:
                    same = management.version(name, version)
                    if not is_same(same, fields):
                        raise
            if wait and (same is None or same["state"] == "starting"):
                self._wait_ready(name, version, timeout_s, progress)
            state: State = (
                "starting" if not wait else "current" if fields.get("make_current", True) else "not current"
            )
            if same is not None:
                state = state_of(same)
            if steps is not None and state != "current":
                wanted = {"version": str(version), "steps": check_steps(steps), "applications": applications}
                management.start_rollout(name, {**wanted, "message": options.get("message", "")})
                state = "rolled out"
            deployed = Deployed(name, str(version), same is None, state)
            if same is not None:
                progress.ends(str(deployed))
        return deployed

    def _live_rollout(self, name: str) -> Rollout | None:
        found = [rollout for rollout in self._management.rollouts(name) if rollout["ended_at"] is None]
        return found[-1] if found else None

    def _numbered(self, name: str, version: object, fields: dict[str, Any]) -> tuple[object, Version | None]:
        """The version that is meant; and, where it counts by itself, the one that is the same already."""
        if version is not None and str(version) != NEXT:
            return version, None
        staged = not fields.get("make_current", True)
        there = [v for v in self._management.models() if v["model_name"] == name and v["state"] != "failed"]
        for found in reversed(there):
            may_be = staged or found["is_current_version"] or found["state"] == "starting"
            if may_be and is_same(found, fields):
                return found["model_version"], found
        return next_version(v["model_version"] for v in there), None

    def register_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: None = None,
        labels: Sequence[str] | None = None,
        batch_size: int = -1,
        **options: Unpack[DeployOptions],
    ) -> None:
        """Register a version of a model that runs elsewhere on this machine, and dials in.

        It is current at once, and answers as soon as something runs it: `clipperlab.serve` does, in this
        process. The version "next", or None, is the number after the largest. Raises AlreadyExists or
        BadRequest.

        >>> conn.register_model("digits", "here", "doubles")
        >>> conn.get_current_model_version("digits")
        'here'
        """
        if image is not None:
            raise BadRequest("register_model() is for a model that runs elsewhere: leave out the image.")
        refused = options.keys() & {
            *("resources", "env", "python", "rollout", "applications", "wait", "timeout_s")
        }
        if refused:
            raise BadRequest(f"{', '.join(sorted(refused))}: leave out what is for models that run here.")
        fields: dict[str, Any] = {
            **options,
            "input_type": input_type,
            "artifact": None,
            "labels": check_labels(labels),
            "batching": _batching(batch_size, options),
        }
        version, _ = self._numbered(name, version, fields)
        self._management.deploy(name, version, fields)

    def wait_until_ready(
        self, name: str, version: object = None, *, timeout_s: float = READY_TIMEOUT_S
    ) -> None:
        """Return when all replicas of a version, by default the current one, are ready.

        Raises what `deploy_model` raises of a version that does not come up; or NotFound.

        >>> handle = conn.deploy(bayes, "digits", 3, wait=False)
        >>> conn.wait_until_ready("digits", 3)
        """
        version = self.get_current_model_version(name) if version is None else version
        with Progress(f"Waiting for {name}:{version}") as progress:
            self._wait_ready(name, version, timeout_s, progress)

    def _wait_ready(self, name: str, version: object, timeout_s: float, progress: Progress) -> None:
        self._management.wait_ready(
            name, version, timeout_s=timeout_s, said=progress.say, look_every_s=LOOK_EVERY_S
        )


def _batching(batch_size: int, options: DeployOptions) -> str:
    """The way of batching that both arguments together ask for."""
    if batch_size == -1:
        return options.get("batching", "learned")
    if "batching" in options:
        raise BadRequest("Give either batch_size or batching: batch_size=n means batching='fixed(n)'.")
    if batch_size < 1:
        raise BadRequest(f"batch_size must be above 0, or -1 to leave it to the system, not {batch_size}.")
    return "off" if batch_size == 1 else f"fixed({batch_size})"
