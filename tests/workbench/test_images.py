"""Images have what their programs need: the same packages as an installation."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from clipperlab.images import PACKAGES

EXTRAS = {
    "server": ("server",),
    "sklearn": ("sklearn", "frames"),
    "pytorch": ("torch",),
    "onnx": ("onnx",),
    "tensorflow": ("tensorflow",),
}


@pytest.mark.parametrize(("image", "extras"), EXTRAS.items())
def test_an_image_has_the_packages_of_its_extras(image: str, extras: tuple[str, ...]) -> None:
    wanted = [Requirement(text) for text in requires("clipperlab") or []]
    names = {
        each.name
        for each in wanted
        for extra in extras
        if each.marker is None or each.marker.evaluate({"extra": extra})
    }
    assert set(PACKAGES[image]) == names
