"""What a request says of itself: a text, or as many numbers as the application's policy weighs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipper_server.features import are_packed, in_words, pack, unpack
from clipper_server.query.protocols.contexts import Given, context

HEADER = b"x-clipper-context"


def application(features: int = 0, asks: bool = True) -> Any:
    return SimpleNamespace(name="app", features=features, asks_for_contexts=asks)


def said(features: int, given: Given = None, header: str | None = None) -> list[float]:
    headers = {} if header is None else {HEADER: header.encode()}
    text, numbers = context(application(features), headers, given, None)
    assert text == ""
    return unpack(numbers)


def test_numbers_come_as_a_list_as_json_or_with_commas() -> None:
    assert said(3, [0.5, -1, 1000]) == [0.5, -1, 1000]
    assert said(3, "[0.5, -1, 1e3]") == [0.5, -1, 1000]
    assert said(3, header="0.5, -1,1000") == [0.5, -1, 1000]
    assert said(3, [1, 2, 3], header="4,5,6") == [1, 2, 3]
    assert said(1, 7) == [7]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "This query has none"),
        ([], "This one has 0"),
        ([1.0, 2.0, 3.0], "This one has 3"),
        ([1.0, float("inf")], "This one has inf among them"),
        ([float("nan"), 1.0], "This one has nan among them"),
        ([1.0, 1000.5], "This one has 1000.5 among them"),
        ("north", "This one is 'north'"),
        ("1,", "This one is '1,'"),
        ("[1, null]", "This one is '[1, null]'"),
        ("[1, 2", "This one is '[1, 2'"),
        ("nan,1", "This one has nan among them"),
        ("x" * 1000, f"This one is '{'x' * 40}...'"),
        (5, "This one has 1"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_with_what_to_give(given: Given, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        context(application(2), {}, given, None)
    assert "has features=2: give 2 from -1000 to 1000" in str(refused.value)
    assert str(refused.value).endswith(f"{why}.")


def test_for_a_version_that_is_named_nobody_needs_numbers() -> None:
    assert context(application(2), {}, None, "1") == ("", b"")
    assert context(application(2), {}, [1.0, 2.0], "1") == ("", b"")


def test_a_text_is_for_other_policies_and_numbers_are_not() -> None:
    assert context(application(), {}, "north", None) == ("north", b"")
    assert context(application(), {}, 7, None) == ("7", b"")
    assert context(application(), {}, None, None) == ("", b"")
    with pytest.raises(BadRequest, match=r"P\.LinTS\(features=2\), and here it is a text"):
        context(application(), {}, [1.0, 2.0], None)


def test_where_nothing_is_learned_a_context_is_no_matter() -> None:
    assert context(application(asks=False), {HEADER: b"x" * 100}, [1.0], None) == ("", b"")


def test_numbers_are_written_for_people_and_checked_as_they_travel() -> None:
    assert in_words(pack([0.1, -2.0, 1000.0, 1e-9])) == "[0.1, -2, 1000, 1e-09]"
    assert are_packed(b"")
    assert are_packed(pack([1.0] * 64))
    for wrong in (pack([1.0] * 65), pack([1.0])[:-1], pack([float("nan")]), pack([1001.0])):
        assert not are_packed(wrong)
