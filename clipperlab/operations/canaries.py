"""A deploy that begins a rollout: what would refuse that, found before anything is uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipper_container.errors import BadRequest
from clipper_container.inputs import canonical
from clipper_container.steps import check_steps

from ..options import DeployOptions
from ..policies import arms_of

if TYPE_CHECKING:
    from ..management import Management


def check_rollout(
    management: Management,
    name: str,
    input_type: str,
    num_replicas: int,
    steps: Sequence[float],
    options: DeployOptions,
) -> None:
    """Raises BadRequest."""
    check_steps(steps)
    if "make_current" in options or not options.get("wait", True):
        raise BadRequest(
            "rollout= begins when the version is ready, and makes it current in the end: leave out "
            "make_current and wait."
        )
    if num_replicas == 0:
        raise BadRequest("rollout= needs a version that answers: leave out num_replicas=0.")
    versions = management.models()
    if not any(v["model_name"] == name and v["is_current_version"] for v in versions):
        raise BadRequest(
            f"Model {name} has no current version to roll out from: leave out rollout= for its first one."
        )
    applications = management.applications()
    asking = [a["name"] for a in applications if name in arms_of(a)]
    if not asking and not any(v["is_used"] for v in versions if v["model_name"] == name):
        raise BadRequest(
            f"No application asks for the current version of {name}, and no model that answers uses it, so "
            "nothing would be seen: leave out rollout=."
        )
    if len(asking) > 1 and options.get("applications") != "all":
        raise BadRequest(
            f"{', '.join(asking)} ask for the current version of {name}, and a rollout is for all of them: "
            'say so with applications="all".'
        )
    for application in applications:
        if name in application["linked_models"] and application["input_type"] != canonical(input_type):
            raise BadRequest(
                f"Model {name} is linked to application {application['name']}, which takes "
                f"{application['input_type']}, and this version {canonical(input_type)}: it cannot be rolled "
                "out."
            )
