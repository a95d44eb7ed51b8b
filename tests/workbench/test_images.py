"""Images have what their programs need: the same packages as an installation."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clipper_container import artifact
from clipper_container.errors import ArtifactError, BadRequest
from clipperlab.images import PACKAGES, _needed, build
from clipperlab.images.contained import Contained
from clipperlab.packages import name_of

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


def test_sagemakers_image_has_the_packages_of_an_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.zip"
    described = {"loader": "onnx", "input_type": "doubles", "parts": {}, "requirements": ["six==1.17"]}
    digest = artifact.pack(path, **described)  # type: ignore[arg-type]
    found = Contained.read(path)
    assert (found.kind, found.requirements, found.short) == ("onnx", ["six==1.17"], digest[7:19])
    with pytest.raises(BadRequest, match="for the image sagemaker alone"):
        build(["server", "sagemaker"], artifact=path)
    with pytest.raises(ArtifactError, match="There is no artifact at"):
        build(["sagemaker"], artifact=tmp_path / "other.zip")
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    artifact.pack(path, **described)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match=r"packaged with Python 3\.9\.1, and images .* have"):
        Contained.read(path)


def test_an_image_with_a_model_has_its_versions_and_no_second_ones() -> None:
    model = Contained(Path("m.zip"), "python", ["numpy==1.26.0", "Cloudpickle", "x"], "abc")
    found = _needed(model)
    names = [name_of(package) for package in found]
    assert len(set(names)) == len(names)
    assert {"numpy==1.26.0", "Cloudpickle", "x"} < set(found)
