"""Files that somebody names, and that the system refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from clipper_container import artifact
from clipperlab import BadRequest, ClipperConnection
from clipperlab.deployers.custom import deploy_model_class
from clipperlab.images.contained import Contained
from clipperlab.packages import in_file


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that nobody may read, not even root."""
    path = tmp_path / "secret.zip"
    path.touch()

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(artifact, "digest", refused)
    monkeypatch.setattr(artifact, "read_manifest", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    return path


def test_a_file_that_may_not_be_read_is_said(secret: Path) -> None:
    said = f"^{secret} cannot be read: permission denied.$"
    conn = ClipperConnection()
    with pytest.raises(BadRequest, match=said):
        Contained.read(secret)
    with pytest.raises(BadRequest, match=said):
        deploy_model_class(conn, "m", 1, "doubles", "some:Class", files=[secret])


def test_requirements_that_are_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match="requirements cannot be read: 'utf-8' codec"):
        in_file(path)
