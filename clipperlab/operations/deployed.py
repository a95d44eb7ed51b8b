"""What became of a deploy, and whether a version is the one that somebody asks for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from clipper_container.inputs import canonical
from clipper_container.resources import Resources

if TYPE_CHECKING:
    from ..management import Version

State = Literal["current", "not current", "starting", "rolled out"]

# What a version is where it was not said.
_DEFAULTS: dict[str, Any] = {
    "labels": [],
    "batching": "learned",
    "batch_delay_micros": 0,
    "hang_after_s": 10.0,
    "max_cached_input": 16_384,
    "concurrency": 1,
    "uses": [],
    "stages": [],
    "image": "",
}


class Deployed(NamedTuple):
    """A version that was deployed, or that was there already from the very same model.

    >>> deployed = conn.deploy(model, "digits", example_input=X[0]).deployed
    >>> print(deployed)
    digits:2 is this very model already, and current: nothing was deployed.
    """

    name: str
    version: str
    is_new: bool
    state: State

    def __str__(self) -> str:
        if self.is_new:
            ready = {
                "current": "ready, and current",
                "not current": "ready, and staged",
                "rolled out": "ready, and rolled out step by step from now on",
            }
            return f"{self.name}:{self.version} is {ready.get(self.state, self.state)}."
        same = f"{self.name}:{self.version} is this very model already"
        if self.state == "rolled out":
            return f"{same}: it is rolled out step by step from now on."
        return f"{same}, and {self.state}: nothing was deployed."


def state_of(version: Version) -> State:
    if version["state"] == "starting":
        return "starting"
    return "current" if version["is_current_version"] else "not current"


def is_same(found: Version, fields: dict[str, Any]) -> bool:
    """Whether a version was deployed from the same artifact in the same way.

    Values of its environment are told to nobody: with some given it is another one.
    """
    return (
        found["state"] != "failed"
        and found["artifact"] == fields["artifact"]
        and found["input_type"] == canonical(fields["input_type"])
        and fields.get("python") in (None, found["python"])
        and not fields.get("env")
        and not found["env"]
        and fields["num_replicas"] in (1, found["num_replicas"])
        and found["resources"] == msgspec.to_builtins(Resources.read(fields.get("resources")))
        and all(found[key] == fields.get(key, default) for key, default in _DEFAULTS.items())  # type: ignore[literal-required]
    )
