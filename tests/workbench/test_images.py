"""Images have what their programs need: the same packages as an installation."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clipper_container import artifact
from clipper_container.errors import ArtifactError, BadRequest
from clipperlab.images import PACKAGES, _needed, build, requirements
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
    names = [name_of(package) for package in found.others.split()]
    assert len(set(names)) == len(names)
    assert {"numpy==1.26.0", "Cloudpickle", "x"} < set(found.others.split())
    assert found.locked == ""  # pip finds out what goes with the model's own versions


@pytest.mark.parametrize("image", ["server", "python", "sklearn", "onnx", "sagemaker"])
def test_an_image_installs_the_versions_that_are_installed_here_by_their_hashes(image: str) -> None:
    found = requirements.of(PACKAGES[image])
    assert found.others == ""
    installed = {}
    for line in found.locked.splitlines():
        asked = Requirement(line.partition(" --hash=sha256:")[0])
        assert "--hash=sha256:" in line
        installed[name_of(asked.name)] = str(asked.specifier)
        assert asked.specifier.contains(version(asked.name))
    assert set(map(name_of, PACKAGES[image])) <= installed.keys()
    for name in installed:  # nothing is asked for that is not there
        for text in requires(name) or []:
            asked = Requirement(text)
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                assert name_of(asked.name) in installed


def test_what_is_not_the_locks_goes_without_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch, which has none there, another version than the lock's, and what is not installed here."""
    assert requirements.of(["torch"]).others.startswith("torch==")
    assert requirements.of(["there-is-none"]) == ("", "there-is-none\n")
    known = dict(requirements._locked())
    monkeypatch.setattr(requirements, "_locked", lambda: known | {"scipy": ("0.1", "scipy==0.1 --hash=x")})
    monkeypatch.setattr(requirements, "distribution", lacking("requests"))
    assert requirements.of(["docker"]) == ("", f"docker=={version('docker')}\n")
    found = requirements.of(["scikit-learn", "numpy"])
    assert found.others == f"scikit-learn=={version('scikit-learn')}\n"
    assert found.locked.startswith("numpy==")
    assert found.locked.count("\n") == 1


def lacking(name: str) -> Callable[[str], Distribution]:
    """As where a package is not installed."""

    def find(asked: str) -> Distribution:
        if asked == name:
            raise PackageNotFoundError(asked)
        return distribution(asked)

    return find
