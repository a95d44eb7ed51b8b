"""Each code that the runtime says has an entry, and each entry is of a code that it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipper_container import errors
from clipper_container.errors import NotFound
from clipper_server.query.door import REASONS
from clipperlab.explained import ENTRIES, explain

ROOT = Path(__file__).parents[2]
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("server/clipper_server", "containers/clipper_container")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
CONSTANTS = dict(re.findall(r'^([A-Z_]+) = "([a-z_]+)"', SOURCE, re.MULTILINE))


def said(call: str) -> set[str]:
    """The codes with which the runtime calls that, as texts or as constants."""
    found = re.findall(rf'\b_?(?:{call})\(\s*(?:"([a-z_]+)"|([A-Z_]+)\b)', SOURCE)
    return {text or CONSTANTS[name] for text, name in found if text or name in CONSTANTS}


CODES = {
    "reason": said("Fault|refuse")
    | REASONS
    | {"frontend_gone"}
    | set(re.findall(r'_leave_out\([\w.]+, "(\w+)"', SOURCE)),
    "feedback": said("Refusal"),
    "event": said(r"publish|announce|events\.add|events\.add_once|partial\(events\.add,")
    | set(re.findall(r'kind: str = "(\w+)"\n\n\nclass Report', SOURCE))
    | set(re.findall(r'Complaint\(.*"(\w+)"\)', SOURCE)),
    "error": {"ClipperException"} | {c.__name__ for c in errors.ClipperException.__subclasses__()},
}


@pytest.mark.parametrize("kind", CODES)
def test_each_code_has_its_entry(kind: str) -> None:
    entries = [entry.code for entry in ENTRIES if entry.kind == kind]
    # Subclasses that are private to a module have their parent's name when they travel.
    codes = {code for code in CODES[kind] if kind != "error" or hasattr(errors, code)}
    assert len(codes) > 10
    assert sorted(entries) == sorted(codes)


def test_each_entry_is_sentences() -> None:
    for entry in ENTRIES:
        assert all(text[-1] in ".:)" for text in (entry.means, entry.to_do) if text), entry
    assert len({entry.anchor for entry in ENTRIES}) == len(ENTRIES)


def test_a_code_may_mean_two_things() -> None:
    assert [entry.kind for entry in explain("bad_input")] == ["reason", "feedback"]


@pytest.mark.parametrize("written", ["no_replicas", "No-Replicas", "no replicas"])
def test_it_may_be_written_in_any_case(written: str) -> None:
    assert [entry.code for entry in explain(written)] == ["no_replicas"]


@pytest.mark.parametrize(("code", "near"), [("dedline", "Did you mean deadline?"), ("xyzzy", "'xyzzy'. `")])
def test_a_code_that_is_not_known_is_a_sentence_with_names_that_are_near(code: str, near: str) -> None:
    with pytest.raises(NotFound, match=re.escape(near)):
        explain(code)
