from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path

import numpy as np
import pytest

from clipper_container import artifact
from clipper_container.errors import ArtifactError, BadRequest


def packed(folder: Path, name: str = "a", **more: object) -> tuple[Path, str]:
    path = folder / name
    example = more.get("example_input")
    parts = {"function.pickle": b"f"}
    size = None if "size" not in more else str(more["size"])
    return path, artifact.pack(
        path, loader="python", input_type="d", parts=parts, example_input=example, size=size
    )


def test_what_is_packed_is_read(tmp_path: Path) -> None:
    path, digest = packed(tmp_path, example_input=np.array([1, 2]), size="len(x)")
    manifest, parts = artifact.read(path, digest)
    assert parts == {"function.pickle": b"f"}
    assert (manifest.loader, manifest.input_type, manifest.example_input) == ("python", "doubles", [1, 2])
    assert manifest.packages["numpy"] == np.__version__
    assert manifest.size == "len(x)"


@pytest.mark.parametrize("loader", ["mlflow", "mar", "image", "remote"])
def test_a_model_that_was_made_elsewhere_has_none_of_the_packages_here(tmp_path: Path, loader: str) -> None:
    digest = artifact.pack(tmp_path / "a", loader=loader, input_type="d", parts={"a": b""})
    assert artifact.read(tmp_path / "a", digest)[0].packages == {}


def test_it_names_all_packages_as_python_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, file in {"one-2.dist-info": "METADATA", "another-3.egg-info": "PKG-INFO"}.items():
        (tmp_path / folder).mkdir()
        name, version = folder.partition(".")[0].split("-")
        words = f"Metadata-Version: 2.1\nName: {name.title()}\nVersion: {version}\n\nName: x\nVersion: 9\n"
        (tmp_path / folder / file).write_text(words)
    monkeypatch.syspath_prepend(tmp_path)
    manifest, _ = artifact.read(*packed(tmp_path))
    assert manifest.packages.items() >= {"one": "2", "another": "3"}.items()
    known = sorted((d.name.lower(), d.version) for d in importlib.metadata.distributions() if d.name)
    assert manifest.packages == dict(known)


def test_the_same_model_has_the_same_digest(tmp_path: Path) -> None:
    assert packed(tmp_path, "a")[1] == packed(tmp_path, "b")[1]


def test_a_damaged_artifact_is_told(tmp_path: Path) -> None:
    path, digest = packed(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ArtifactError, match="damaged"):
        artifact.read(path, digest)


def test_another_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no-artifact"
    path.write_bytes(b"PK garbage")
    with pytest.raises(ArtifactError, match="no artifact of Clipper Lab"):
        artifact.read(path, artifact.digest(path))


@pytest.mark.parametrize(
    ("compression", "words"), [(zipfile.ZIP_DEFLATED, "it is compressed"), (zipfile.ZIP_STORED, "8 MiB is")]
)
def test_a_manifest_that_is_a_bomb_is_not_read(
    tmp_path: Path, compression: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("manifest.json", b" " * (artifact.MAX_MANIFEST + 1))

    def read(*_: object) -> bytes:
        raise AssertionError("it was read")

    monkeypatch.setattr(zipfile.ZipFile, "read", read)
    with pytest.raises(ArtifactError, match=words):
        artifact.read_manifest(path)


def test_an_example_that_is_too_large_is_refused_where_it_is_packed(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="8 MiB is the most"):
        artifact.pack(
            tmp_path / "a",
            loader="python",
            input_type="strings",
            parts={},
            example_input="a" * artifact.MAX_MANIFEST,
        )


def test_another_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, digest = packed(tmp_path)
    monkeypatch.setattr("platform.python_version", lambda: "2.7.18")
    with pytest.raises(ArtifactError, match=r"this container runs Python 2\.7\.18.*deploy from Python 2\.7"):
        artifact.read(path, digest)


def test_an_example_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="one input: a list of numbers"):
        packed(tmp_path, example_input="text")


def test_a_size_that_is_no_size_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="it may not"):
        packed(tmp_path, size="__import__('os')")
