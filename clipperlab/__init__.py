"""Clipper Lab: deploy a model from a notebook, and query it over HTTP.

from clipperlab import ClipperConnection
conn = ClipperConnection()
conn.start_clipper()
"""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from clipper_container.errors import (
    AlreadyExists,
    ArtifactError,
    BadRequest,
    ClipperException,
    ClusterError,
    DeployError,
    NoRoom,
    NotFound,
    Unauthorized,
    UnconnectedException,
    WireError,
)

from . import deployers, draw
from .connection import ClipperConnection
from .places.docker import DockerContainerManager
from .places.kubernetes import KubernetesContainerManager
from .places.process import ProcessContainerManager
from .serving import serve

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """`%load_ext clipperlab`: the magics `%clipper` and `%%deploy`."""
    from .magics import load

    load(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "clipperlab.jupyter"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "clipperlab"}]


__version__ = _version("clipperlab")

__all__ = [
    "AlreadyExists",
    "ArtifactError",
    "BadRequest",
    "ClipperConnection",
    "ClipperException",
    "ClusterError",
    "DeployError",
    "DockerContainerManager",
    "KubernetesContainerManager",
    "NoRoom",
    "NotFound",
    "ProcessContainerManager",
    "Unauthorized",
    "UnconnectedException",
    "WireError",
    "__version__",
    "deployers",
    "draw",
    "serve",
]
