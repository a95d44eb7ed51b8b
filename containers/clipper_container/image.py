"""The names of container images: of Clipper Lab's version, and of Python's minor version."""

from __future__ import annotations

import importlib.metadata
import re
import sys

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BY_LOADER = {"sklearn": "sklearn", "pytorch": "pytorch", "onnx": "onnx"}
"""The image that a loader needs; others need `python`."""


def tag(image: str, *, python: str = PYTHON, registry: str = "") -> str:
    """The image's name, such as clipper-python:0.1.0-py3.11.

    A model that was pickled by one minor version of Python does not load in another.
    """
    version = re.sub(r"[^A-Za-z0-9_.-]", "-", importlib.metadata.version("clipperlab"))
    return f"{registry.rstrip('/') + '/' if registry else ''}clipper-{image}:{version}-py{python}"
