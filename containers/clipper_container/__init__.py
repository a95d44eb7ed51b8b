"""What runs inside a model container, and what it shares with the rest of Clipper Lab.

`python -m clipper_container` is the entry point. The artifact format (`artifact`), the wire (`wire`),
the input types (`inputs`) and the error tree (`errors`) are also imported by the other two packages.
"""

from .container import ModelContainerBase

__all__ = ["ModelContainerBase"]
