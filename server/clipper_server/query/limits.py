"""What one request may cost. It is known before anything is made of the request."""

from __future__ import annotations

from typing import NamedTuple

from clipper_container.errors import TooLarge


class Limits(NamedTuple):
    """`json` and `body` are in bytes: of JSON, which is slow to read, and of what may be binary tensors."""

    inputs: int = 20_000
    json: int = 1 << 20
    body: int = 64 << 20

    def check_inputs(self, count: int) -> None:
        """Raises TooLarge."""
        if count > self.inputs:
            raise TooLarge(
                f"The request has {count} inputs; {self.inputs} is the most. Send them in several requests. "
                "A cluster that is started with max_inputs= takes more."
            )

    def check_json(self, size: int) -> None:
        """Raises TooLarge."""
        if size > self.json:
            raise TooLarge(too_long(size, self.json))


DEFAULT = Limits()


def too_long(size: int | None, most: int) -> str:
    """The sentence about a body; `size` is None where it has not come to its end."""
    has = "is larger" if size is None else f"has {size} bytes, more"
    return (
        f"The body {has} than the {most} bytes that it may have. Send the inputs in several requests, or as "
        "binary tensors by the Open Inference Protocol, which may be larger. A cluster that is "
        "started with max_json= takes more bytes of JSON."
    )
