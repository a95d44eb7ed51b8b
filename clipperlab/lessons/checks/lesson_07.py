"""Checks of lesson 07, on the prediction cache."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import Checked, NotYet, check

Answer = Mapping[str, Any]
METRES = 111_000  # of a degree of latitude; one of longitude has as many at most


def _said(wb: Checked, answer: Answer) -> str:
    """What the cache said of it."""
    found: str = wb.conn.why(answer["query_id"])["models"][0]["cache"]
    return found


@check(
    "caching-hit",
    hints=(
        "Ask exactly the same, at least twice.",
        "The answers are dictionaries with a query_id, the first one at the beginning.",
        "answers = [ask([1, 2, 3]) for _ in range(3)]",
    ),
)
def hit(wb: Checked, answers: Sequence[Answer]) -> None:
    said = [_said(wb, answer) for answer in answers]
    if said != ["miss"] + ["hit"] * (len(said) - 1) or len(said) < 2:
        raise NotYet(f"The cache said: {', '.join(said)}. It should miss once, and hit after that.")


@check(
    "caching-skew",
    hints=(
        "Both are shares, from 0 to 1, by the name of the stream.",
        "A query misses if its film was not asked for before.",
        "1 - len(set(films)) / len(films)",
    ),
)
def skew(wb: Checked, predicted: Mapping[str, float], measured: Mapping[str, float]) -> None:
    for name, rate in predicted.items():
        if abs(rate - measured[name]) > 0.02:
            raise NotYet(f"{name}: {rate:.1%} predicted, and {measured[name]:.1%} measured.")
    if predicted["zipf"] <= predicted["equal"]:
        raise NotYet("The skewed stream should have the higher rate.")


@check(
    "caching-joined",
    hints=(
        "The queries have to be equal, and to come at the same time.",
        "A ThreadPoolExecutor with as many threads as queries sends them at once.",
        "list(clients.map(lambda _: ask([2026, 11]), range(50)))",
    ),
)
def joined(wb: Checked, crowd: Sequence[Answer]) -> None:
    if len(crowd) < 10 or len({str(answer["output"]) for answer in crowd}) != 1:
        raise NotYet("At least ten queries should have one answer, computed once.")
    said = {_said(wb, answer) for answer in crowd}
    if "joined" not in said:
        raise NotYet(f"No query joined another one: the cache said {', '.join(sorted(said))}.")


@check(
    "caching-without",
    hints=(
        "A header leaves the cache out of one query, an argument of the deploy out of a version.",
        "The header is Cache-Control, the argument max_cached_input.",
        'ask([0], "age", **{"Cache-Control": "no-cache"}), and max_cached_input=0',
    ),
)
def without(wb: Checked, fresh: Answer, answers: Sequence[Answer]) -> None:
    said = {_said(wb, answer) for answer in [fresh, *answers]}
    if said != {"off"}:
        raise NotYet(f"The cache should have been left out of each, and it said {', '.join(sorted(said))}.")


@check(
    "caching-stale",
    hints=(
        "First the answers that were kept, then those that were not.",
        "The kept ones are all equal, though the model would have said something else.",
        "The others differ, each from the one before it.",
    ),
)
def stale(wb: Checked, kept: Sequence[Answer], computed: Sequence[Answer]) -> None:
    if len({answer["output"] for answer in kept}) != 1:
        raise NotYet("The answers from the cache should be equal.")
    if len({answer["output"] for answer in computed}) != len(computed):
        raise NotYet("Without the cache, each answer should be another one.")


@check(
    "exercise-caching-rate",
    hints=(
        "Count the misses: when does a query miss?",
        "Each different query misses once, and never again.",
        "return 1 - len(set(queries)) / len(queries)",
    ),
)
def rate(wb: Checked, hit_rate: Callable[[list[str]], float]) -> None:
    for queries, expected in [("abc", 0.0), ("aaaa", 0.75), ("abab", 0.5), ("abcab", 0.4)]:
        found = hit_rate(list(queries))
        if found is None:
            raise NotYet("The function returns nothing.")
        if abs(found - expected) > 1e-9:
            raise NotYet(f"For the queries {', '.join(queries)} it says {found:.0%}.")


@check(
    "exercise-caching-alike",
    hints=(
        "Neighbours get the same position if it is taken from a grid.",
        "Round both figures. How many digits may go, if 100 m do not matter?",
        "return round(latitude, 3), round(longitude, 3)",
    ),
)
def alike(wb: Checked, alike: Callable[[float, float], tuple[float, float]]) -> None:
    dice = random.Random(7)
    here = [(52.5 + dice.random() / 200, 13.4 + dice.random() / 200) for _ in range(2000)]
    asked = [alike(*position) for position in here]
    if None in asked:
        raise NotYet("The function returns nothing.")
    far = max(
        METRES * max(abs(a - b) for a, b in zip(*each, strict=True)) for each in zip(here, asked, strict=True)
    )
    if far > 100:
        raise NotYet(f"It asks for a position {far:.0f} m away.")
    different = len(set(itertools.starmap(_key, asked)))
    if different > 200:
        raise NotYet(f"2,000 positions in half a kilometre become {different:,} queries: still too many.")


def _key(latitude: float, longitude: float) -> tuple[float, float]:
    return float(latitude), float(longitude)


@check(
    "exercise-caching-memory",
    hints=(
        "Its answer depends on more than its input.",
        "So no answer of this version may be kept: an argument of the deploy says so.",
        'deploy_python_closure(conn, "greet", 1, "strings", greet, max_cached_input=0)',
    ),
)
def memory(wb: Checked) -> None:
    name = f"Ada {random.random()}"
    answers = []
    for _ in range(2):
        response = wb.http.post("/greet/predict", json={"input": name})
        if response.status_code == 404:
            raise NotYet("There is no application greet: register it first.")
        answers.append(response.json())
    if any(answer["default"] for answer in answers):
        raise NotYet(f"The application gives its default answer: {answers[0].get('default_explanation')}")
    if [answer["output"] for answer in answers] != [f"Hello, {name}", f"Welcome back, {name}"]:
        raise NotYet(f"The second greeting was: {answers[1]['output']}.")
