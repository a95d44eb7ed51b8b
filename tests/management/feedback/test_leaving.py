"""Arms that are left, and that come back."""

from __future__ import annotations

from clipper_server.management.feedback.leaving import Leaving

FLOOR = 0.01
LEFT = {"a": 0.96, "b": FLOOR}
BACK = {"a": 0.6, "b": 0.37}


def told(leaving: Leaving, weights: dict[str, float], rows: int = 1, updates: int = 1000) -> list[str]:
    return [text for _ in range(rows) for text in leaving.see("app", "", weights, 2 * FLOOR, updates, {})]


def test_an_arm_that_is_left_and_comes_back_is_told_of_once_each_time() -> None:
    leaving = Leaving()
    assert told(leaving, BACK) == []
    assert told(leaving, LEFT, rows=5) == [
        "b is left at app: its share is 1.0%, where the least is 1.0%. Feedback says better of a, which has "
        "96%."
    ]
    assert told(leaving, {"a": 0.98, "b": 2 * FLOOR}, rows=5) == []  # neither left again nor back
    assert told(leaving, BACK, rows=5) == ["b is back at app: its share is 37.0%, and was 2.0%."]
    assert len(told(leaving, LEFT, rows=5)) == 1


def test_a_learner_that_tries_others_now_and_then_tells_nothing_of_it() -> None:
    leaving = Leaving()
    texts = [
        text
        for i in range(200)
        for text in leaving.see("app", "", LEFT if i % 4 else {"a": FLOOR, "b": 0.96}, 2 * FLOOR, 20, {})
    ]
    assert texts == []


def test_what_a_failed_arm_is_asked_is_no_return() -> None:
    leaving = Leaving()
    for weights, said in (({"a": 0.9, "b": 0.1}, "is left"), (BACK, "is back")):
        (text,) = leaving.see("app", "", weights, 2 * FLOOR, 1000, {"b": 0.1})
        assert said in text
        assert list(leaving.see("app", "", weights, 2 * FLOOR, 1000, {"b": 0.1})) == []


def test_contexts_and_new_arms_are_told_apart() -> None:
    leaving = Leaving()
    for context in ("x", "y"):
        assert list(leaving.see("app", context, BACK, 2 * FLOOR, 1000, {})) == []
    (text,) = leaving.see("app", "x", LEFT, 2 * FLOOR, 1000, {})
    assert text.startswith("b is left at app in the context 'x': ")
    assert list(leaving.see("app", "y", {**BACK, "c": FLOOR}, 0.03, 0, {})) == []
