from __future__ import annotations

from pathlib import Path

import pytest

from clipperlab.lessons.copies import CHECKOUT
from clipperlab.lessons.folder import lessons_below


def put(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("README.md", "01_serve.ipynb", "00_check.ipynb", "Untitled.ipynb"):
        (folder / name).touch()


@pytest.mark.parametrize(
    ("where", "begins"),
    [("notebooks", "notebooks/"), ("clipper-lab/notebooks", "clipper-lab/notebooks/")],
)
def test_finds_them_below_a_folder(tmp_path: Path, where: str, begins: str) -> None:
    put(tmp_path / where)
    assert lessons_below(tmp_path) == {
        "overview": f"{begins}README.md",
        "lessons": [f"{begins}00_check.ipynb", f"{begins}01_serve.ipynb"],
    }


def test_finds_them_in_the_folder_itself(tmp_path: Path) -> None:
    put(tmp_path / "notebooks")
    found = lessons_below(tmp_path / "notebooks")
    assert found
    assert found["overview"] == "README.md"


def test_the_checkouts_are_found_from_above() -> None:
    found = lessons_below(CHECKOUT.parent)
    assert found
    assert (CHECKOUT.parent / found["overview"]).is_file()
    assert any(lesson.rpartition("/")[2].startswith("01_") for lesson in found["lessons"])


def test_what_is_not_below_the_folder_cannot_be_opened(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "notebooks")
    (tmp_path / "root").mkdir()
    assert lessons_below(tmp_path / "root") is None
