"""Deployers: from a Python object to a deployed version, in one call.

A function that a deployer takes gets a list of inputs and returns a list of the same length.
"""

from . import python, sklearn

__all__ = ["python", "sklearn"]
