"""What a container finds in the folder of its model."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clipper_container import artifact
from clipper_container.errors import ArtifactError
from clipper_server.sagemaker.__main__ import Settings, main
from clipper_server.sagemaker.model import MAX_JSON, Packaged, missing


def packed(folder: Path, name: str = "m.zip", **options: Any) -> Path:
    described = {"loader": "python", "input_type": "doubles", "parts": {"function.pickle": b"?"}} | options
    artifact.pack(folder / name, **described)
    return folder


def test_it_is_the_only_artifact_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"One artifact, .*, and there is none"):
        Packaged.find(tmp_path)
    (packed(tmp_path) / "notes.txt").write_text("more may be there")
    assert Packaged.find(tmp_path).path == tmp_path / "m.zip"
    with pytest.raises(ArtifactError, match=r"there is m\.zip, other\.zip"):
        Packaged.find(packed(tmp_path, "other.zip"))


def test_what_is_no_artifact_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"no archive")
    with pytest.raises(ArtifactError, match="This is no artifact of Clipper Lab"):
        Packaged.find(tmp_path)


@pytest.mark.parametrize(
    ("loader", "why"), [("pipeline", "calls other models"), ("image", "is in an image of its own")]
)
def test_what_cannot_be_served_alone_is_refused(tmp_path: Path, loader: str, why: str) -> None:
    with pytest.raises(ArtifactError, match=why):
        Packaged.find(packed(tmp_path, loader=loader))


def test_a_package_that_is_missing_is_told_with_what_builds_it_in(tmp_path: Path) -> None:
    numpy = f"numpy=={importlib.metadata.version('numpy')}"
    assert (
        missing([numpy, "msgspec>=0.1", "nobody-has-this; python_version < '3'", "git+https://example.org/x"])
        == []
    )
    assert missing(["numpy<1", "no-such-package==3", "msgspec"]) == ["numpy<1", "no-such-package==3"]
    with pytest.raises(ArtifactError, match=r"needs no-such-package==3, .* sagemaker --artifact FILE"):
        Packaged.find(packed(tmp_path, requirements=[numpy, "no-such-package==3"]))


def test_its_application_is_as_it_was_packaged(tmp_path: Path) -> None:
    folder = packed(
        tmp_path, input_type="dataframe", example_input={"a": 1.0, "b": "x"}, names=["b", "a"], size="1"
    )
    found = Packaged.find(folder).snapshot("digest", 59.0)
    (application,), (version,) = found.applications, found.versions
    assert (application.input_type, application.latency_slo_micros) == ("dataframe", 59_000_000)
    assert (application.linked_models, found.current) == ([version.model], {version.model: version.version})
    assert (version.columns, version.size) == ({"b": "text", "a": "float64"}, "1")
    assert (version.credential, found.requests.max_json) == ("digest", MAX_JSON)


def test_its_settings_are_sagemakers() -> None:
    assert Settings.read({}) == Settings(8080, 60.0)
    given = {"SAGEMAKER_BIND_TO_PORT": "8123", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "5", "HOME": "/"}
    assert Settings.read(given) == Settings(8123, 5.0)
    for wrong in ("inf", "nan", "0", "-1", "soon"):
        with pytest.raises(msgspec.ValidationError, match="SAGEMAKER_MODEL_SERVER_TIMEOUT"):
            Settings.read({"SAGEMAKER_MODEL_SERVER_TIMEOUT": wrong})


@pytest.mark.parametrize(("words", "told"), [(["train"], "not train"), ([], "not none")])
def test_it_serves_and_does_nothing_else(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words, tmp_path) == 2
    assert f"its command is serve, {told}." in capsys.readouterr().err


def test_without_a_model_it_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"], tmp_path) == 1
    assert "there is none" in capsys.readouterr().err
