"""What the container managers share: `python -m clipper_server` brings clusters up and down for them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from clipper_container.errors import ClipperException, ClusterError, from_name

from ..names import check_name
from . import ClusterRecord

UP_TIMEOUT_S = 120.0
DOWN_TIMEOUT_S = 60.0


class BroughtUp:
    """A cluster that the runtime brings up, at a place that the container manager names."""

    down_timeout_s = DOWN_TIMEOUT_S

    def __init__(
        self, cluster_name: str, place: list[str], wishes: Mapping[str, int | str], more: str
    ) -> None:
        self.cluster_name = check_name("cluster", cluster_name)
        self._place = place
        self._wishes = wishes
        self._more = more

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cluster_name!r})"

    def up(self, *, fresh: bool, settings: Mapping[str, int | str] | None = None) -> bool:
        given: dict[str, int | str] = {**self._wishes, **(settings or {})}
        options = [
            part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))
        ]
        answer = self._run("up", [*options, *(["--fresh"] if fresh else [])], UP_TIMEOUT_S)
        if answer.get("moved"):
            warnings.warn(answer["moved"], stacklevel=3)
        return bool(answer["started"])

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        options = [*(["--purge"] if purge else []), *([] if graceful else ["--now"])]
        return int(self._run("down", options, self.down_timeout_s)["stopped"])

    def record(self) -> ClusterRecord | None:
        found = self._run("record", [], DOWN_TIMEOUT_S)["record"]
        return None if found is None else ClusterRecord(**found)

    def reached(self, addresses: Collection[str]) -> dict[str, str]:
        return {address: address for address in addresses}

    def left(self, addresses: Collection[str]) -> None:
        """Nothing had to be made to lead there."""

    def get_admin_addr(self) -> str:
        """Where the management API answers, "host:port". Raises ClusterError where the cluster is stopped."""
        record = self.record()
        if record is None:
            raise ClusterError(f"Cluster {self.cluster_name!r} is not running. start_clipper() starts it.")
        return record.management

    def _run(self, command: str, options: list[str], timeout_s: float) -> dict[str, Any]:
        return _run([command, *self._place, *options], timeout_s, self._more)


def _run(arguments: list[str], timeout_s: float, more: str) -> dict[str, Any]:
    """Have the runtime do it, in a process of its own; its answer. Raises what it raised, or ClusterError."""
    # -P: no file beside the notebook that is called like a library's module gets in the way.
    command = [sys.executable, "-P", "-m", "clipper_server", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`{' '.join(command)}` took more than {timeout_s:.0f} s. {more}") from None
    if done.returncode != 0:
        said = _reason(done.stderr) or f"`{' '.join(command)}` failed and said nothing."
        raise _error(done.stdout, said)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _error(stdout: str, message: str) -> ClipperException:
    """The one that the runtime names in its last line; ClusterError for all others."""
    with suppress(IndexError, KeyError, TypeError, ValueError):
        found = from_name(json.loads(stdout.splitlines()[-1])["error"], message)
        if type(found) is not ClipperException:
            return found
    return ClusterError(message)


def _reason(stderr: str) -> str:
    """The sentence that the runtime left: its last line, with advice where the runtime is not installed."""
    lines = stderr.strip().splitlines()
    last = lines[-1] if lines else ""
    if "No module named" in last:
        return f'{last}: the serving runtime is not installed here. pip install "clipperlab[server]"'
    return last
