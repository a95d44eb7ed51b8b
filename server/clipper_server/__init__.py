"""The serving runtime: `query` is the data plane, `management` the control plane.

`python -m clipper_server up process` brings a cluster up, `down process` ends it.
"""

from importlib.metadata import version

__version__ = version("clipperlab")
