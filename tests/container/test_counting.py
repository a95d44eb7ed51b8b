from __future__ import annotations

from clipper_container.counting import next_version


def test_the_next_version_is_one_more_than_the_largest_number() -> None:
    assert next_version(["1", "9", "10", "beta"]) == "11"
    assert next_version([]) == "1"
