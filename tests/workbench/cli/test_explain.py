from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clipperlab.cli.commands import app
from clipperlab.explained import ENTRIES


def test_a_code_is_explained_without_a_cluster() -> None:
    out = CliRunner().invoke(app, ["explain", "overload"]).output
    assert out.startswith("overload, why there is no output\n")
    assert "Add replicas with `clipperlab scale`, let `clipperlab scale --min` do it, or send less." in out


def test_without_a_code_all_are_listed() -> None:
    out = CliRunner().invoke(app, ["explain"]).output
    assert all(entry.code in out for entry in ENTRIES)


@pytest.mark.parametrize("words", [["bad_input"], []])
def test_for_scripts_it_is_json(words: list[str]) -> None:
    told = json.loads(CliRunner().invoke(app, ["explain", "--json", *words]).output)
    assert len(told) == (2 if words else len(ENTRIES))
    assert set(told[0]) == {"kind", "code", "means", "to_do"}


@pytest.mark.parametrize("code", ["busy", "too_many", "not_ready"])
def test_why_a_shadow_was_not_asked_is_explained(code: str) -> None:
    assert "A shadow was not asked: " in CliRunner().invoke(app, ["explain", code]).output
