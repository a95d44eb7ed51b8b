"""Clusters of plain processes on this machine, seen from the workbench."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from clipper_container.errors import ClusterError

from ..names import check_name
from . import ClusterRecord
from .runtime import BroughtUp


def home() -> Path:
    """Where the clusters of this user have their folders."""
    return Path(os.environ.get("CLIPPERLAB_HOME") or "~/.clipperlab").expanduser().absolute()


def clusters() -> list[str]:
    """The names of the clusters of this user, whether they run or not."""
    folders = home().iterdir() if home().is_dir() else []
    return sorted(f.name for f in folders if (f / "state.db").exists() or (f / "cluster.json").exists())


class ProcessContainerManager(BroughtUp):
    """A cluster of plain processes on this machine.

    Its folder is `$CLIPPERLAB_HOME/<cluster_name>`, by default `~/.clipperlab/<cluster_name>`. The ports
    are preferences: where one is taken, a free one is used. Raises BadRequest for a name that is no DNS
    label.

    >>> place = clipperlab.ProcessContainerManager("other", clipper_query_port=8000)
    >>> ClipperConnection(place)
    <ClipperConnection to 'other', unconnected>
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        *,
        clipper_query_port: int = 1337,
        clipper_management_port: int = 1338,
    ) -> None:
        self.folder = home() / check_name("cluster", cluster_name)
        super().__init__(
            cluster_name,
            ["process", "--folder", str(self.folder)],
            {"query_port": clipper_query_port, "management_port": clipper_management_port},
            f"{self.folder / 'logs' / 'management.log'} tells more.",
        )

    def record(self) -> ClusterRecord | None:
        path = self.folder / "cluster.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=ClusterRecord)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClusterError(
                f"{path} cannot be read ({error}). start_clipper(fresh=True) removes it and starts anew."
            ) from None
