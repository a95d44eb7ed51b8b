"""What pip may be asked for."""

from __future__ import annotations

import pytest

from clipper_container.errors import BadRequest
from clipper_container.image import layer
from clipper_server.management.control.requirements import check_requirements


def test_packages_by_name_source_or_file_are_taken() -> None:
    check_requirements(
        [
            "six",
            "lightgbm==4.6",
            "numpy >=1.26, <3",
            "pandas[performance]; python_version > '3.8'",
            "thing @ git+https://example.org/thing.git@v1",
            "/a folder/thing-1.0-py3-none-any.whl",
        ]
    )


@pytest.mark.parametrize(
    "text",
    [
        *("x'; id #", "--index-url=https://example.org", "-r requirements.txt", "-e .whl", "", "six six"),
        *(
            "six\nUSER root",
            "a\n.whl",
            "git+https://example.org/thing.git",
            "six # comment",
            "x" * 100_000 + "!",
        ),
    ],
)
def test_options_and_commands_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="pip cannot be asked for"):
        check_requirements(["six", text])


def test_what_has_quotes_stays_one_word_of_a_recipe() -> None:
    recipe = layer("base", "1000", ["pandas; python_version > '3.8'", "six"])
    assert """RUN pip install --no-cache-dir 'pandas; python_version > '"'"'3.8'"'"'' six\n""" in recipe
