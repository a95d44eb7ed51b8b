"""Checks of lesson 18, on composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import Checked, NotYet, check

_Answers = Sequence[Mapping[str, Any]]


@check(
    "composition-pipeline",
    hints=(
        "The answer of the application line, and its path: `conn.why(answer['query_id'])`.",
        "The pipeline calls find, then read for each digit, and then check.",
        'pipeline.create_endpoint(conn, "line", answer, uses=["find", "read", "check"], ...)',
    ),
)
def made_of_three(wb: Checked, answer: Mapping[str, Any], trace: Mapping[str, Any]) -> None:
    if answer["default"]:
        raise NotYet(f"The pipeline has no answer: {answer['default_explanation']}")
    called = [call["version"].partition(":")[0] for call in trace["models"][0]["calls"]]
    if set(called) != {"find", "read", "check"}:
        raise NotYet(f"It should call find, read and check, and called {', '.join(called) or 'none'}.")
    if called.count("read") != len(answer["output"]["number"]):
        raise NotYet("It should call read once for each digit.")


@check(
    "composition-batches",
    hints=(
        "How many batches left for read, and the answers to the 64 lines.",
        "Ask with all lines at once, from 16 threads.",
        "list(clients.map(app.predict, lines))",
    ),
)
def batches(wb: Checked, made: int, answers: _Answers) -> None:
    if len(answers) != 64 or any(answer["default"] for answer in answers):
        raise NotYet("All 64 lines should have an answer of the pipeline.")
    if not 0 < made < 200:
        raise NotYet(f"read computed {made} batches, and 320 calls should need far fewer.")


@check(
    "composition-straggler",
    hints=(
        "The three answers by the way in which similar was called, and the time of each.",
        "Without a default the answer fails; with one it is partial.",
        'models["similar"](digit, default=None, timeout_s=0.1)',
    ),
)
def straggler(wb: Checked, answers: Mapping[str, Mapping[str, Any]], took: Mapping[str, float]) -> None:
    without, patient, impatient = answers.values()
    if not without["default"]:
        raise NotYet("Without a default there should be no number: is a picture of the line slow?")
    for answer in (patient, impatient):
        if not answer.get("partial"):
            raise NotYet(f"With a default the answer should be partial, and was {answer}.")
    waited, soon = list(took.values())[1:]
    if not soon < waited:
        raise NotYet(
            f"With 100 ms for the branch it took {soon:.0f} ms, and with all the time {waited:.0f} ms."
        )


@check(
    "composition-rolled-back",
    hints=(
        "All answers of the client, and how many there were when each version became current.",
        "Before, between and after the moves there should be some that add up, none, and some again.",
        'conn.rollback("read")',
    ),
)
def rolled_back(wb: Checked, answers: _Answers, marks: Sequence[tuple[int, str]]) -> None:
    failed = [answer for answer in answers if answer["default"]]
    if failed:
        raise NotYet(f"{len(failed)} queries failed, the first one so: {failed[0]['default_explanation']}")
    (moved, _), (back, _) = marks
    ups = [answer["output"]["adds_up"] for answer in answers]
    before, between, after = (
        sum(part) / max(1, len(part)) for part in (ups[: moved // 2], ups[moved + 2 : back], ups[back + 2 :])
    )
    if not between < min(before, after):
        raise NotYet(
            f"{between:.0%} of the lines add up with version 2, and it should be fewer than before and "
            f"after: {before:.0%} and {after:.0%}."
        )
    current = wb.conn.get_current_model_version("read")
    if current != "1":
        raise NotYet(f"The current version of read is {current}, and should be 1 again.")


@check(
    "composition-cascade",
    hints=(
        "By each way of asking: the share of the dear model, the right answers, and the latency.",
        "With the tuned confidence some queries need the dear model, and most do not.",
        'conn.set_policy("digit", conn.tune_cascade("digit", max_loss=0.03).policy)',
    ),
)
def cascade(
    wb: Checked, share: Mapping[str, float], accuracy: Mapping[str, float], latency: Mapping[str, float]
) -> None:
    cheap, between, dear = share.values()
    if not cheap <= 0.05 < between < 0.7 < dear:
        raise NotYet(
            f"The dear model should answer nothing, a part, and all, and answers {cheap:.0%}, {between:.0%} "
            f"and {dear:.0%}."
        )
    if not accuracy["cascade"] > accuracy["cheap alone"] + 0.02:
        raise NotYet("The cascade should be right more often than the cheap model.")
    if not latency["cascade"] < latency["dear alone"]:
        raise NotYet("The cascade should be quicker than the dear model.")


@check(
    "exercise-composition-at-once",
    hints=(
        "The application offer is a pipeline over price and stock.",
        "Make both calls first, and await them together.",
        'price, left = await asyncio.gather(models["price"](item), models["stock"](item))',
    ),
)
def at_once(wb: Checked) -> None:
    answer = wb.conn.application("offer").predict("pear")
    if answer["default"]:
        raise NotYet(f"It has no answer: {answer['default_explanation']}")
    if answer["output"] != {"price": 40, "left": 3}:
        raise NotYet(f'Of "pear" it says {answer["output"]}, and should say {{"price": 40, "left": 3}}.')
    calls = [
        call
        for leg in wb.conn.why(answer["query_id"])["models"]
        for call in leg["calls"]
        if call["cache"] == "miss"
    ]
    if len(calls) == 2:
        first, second = sorted(calls, key=lambda call: call["queued_at_ms"])
        if second["queued_at_ms"] > first["finished_at_ms"]:
            raise NotYet("One call waited for the other, and needs nothing of it.")


@check(
    "exercise-composition-late",
    hints=(
        "The application detailed calls reviews besides, which is slow for some items.",
        "A call may have a default.",
        'models["reviews"](item, default="", timeout_s=0.2)',
    ),
)
def late(wb: Checked) -> None:
    app = wb.conn.application("detailed")
    for item, price, reviews in [("pear", 40, "Sweet."), ("durian", 900, "")]:
        answer = app.predict(item)
        if answer["default"]:
            raise NotYet(f"Of {item} it has no answer: {answer['default_explanation']}")
        if answer["output"] != {"price": price, "reviews": reviews}:
            raise NotYet(
                f"Of {item} it says {answer['output']}, and should say the price {price} and the reviews "
                f"{reviews!r}."
            )
        if answer.get("partial", False) != (item == "durian"):
            raise NotYet(f"The answer to {item} should{'' if item == 'durian' else ' not'} be partial.")


@check(
    "exercise-composition-price",
    hints=(
        "Every query asks the cheap model. Which ask the dear one too?",
        "Those of which the cheap one is not sure: 1 - sure.",
        "cheap_ms + (1 - sure) * dear_ms, and the sum of the right ones weighed by sure and 1 - sure",
    ),
)
def price(wb: Checked, cascade: Callable[[float, float, float, float, float], tuple[float, float]]) -> None:
    for given, expected in [
        ((0.8, 2.0, 50.0, 0.95, 0.9), (12.0, 0.94)),
        ((1.0, 2.0, 50.0, 0.9, 0.99), (2.0, 0.9)),
        ((0.0, 2.0, 50.0, 0.9, 0.99), (52.0, 0.99)),
    ]:
        found = cascade(*given)
        if found is None:
            raise NotYet("The function returns nothing.")
        if any(abs(one - other) > 1e-9 for one, other in zip(found, expected, strict=True)):
            raise NotYet(f"With {given} it is {expected[0]:g} ms and {expected[1]:.0%}, and not {found}.")
