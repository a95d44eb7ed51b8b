"""Checks of lesson 05, on versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from . import Checked, NotYet, check, is_answered

if TYPE_CHECKING:
    from ...connection import ClipperConnection

MOVE_MS = 1000.0  # is long, even on a busy machine


@check(
    "versions-stage",
    hints=(
        "A staged version runs, and is not the current one.",
        'A query asks for it with "version" in its body.',
        'right["svm"] counts where the two disagree, and the new one is right',
    ),
)
def stage(wb: Checked, right: Mapping[str, int]) -> None:
    info = wb.conn.get_model_info("digits", "svm")
    if info is None or info["state"] != "ready":
        raise NotYet("There is no version `svm` that is ready: deploy it with make_current=False.")
    if info["is_current_version"]:
        raise NotYet("The new version is current already: it should be staged.")
    if right["svm"] <= right["bayes"]:
        raise NotYet(f"Where they disagree, the new version is right {right['svm']} times: too seldom.")


@check(
    "versions-move",
    hints=(
        "The load runs while the moves are made.",
        "conn.set_model_version moves; time each call, in milliseconds.",
        "run.stop(), and then run.result()",
    ),
)
def move(wb: Checked, load: Mapping[str, Any], moves_ms: Sequence[float]) -> None:
    if len(moves_ms) < 2:
        raise NotYet("There should be a move and one back, at least.")
    if median(moves_ms) > MOVE_MS:  # a busy disk may take its time over one of them
        raise NotYet(f"A move takes {median(moves_ms):.0f} ms, the median.")
    if not is_answered(load, 0.01):
        raise NotYet(f"Too few queries had the model's answer: {load['answers']}.")


@check(
    "versions-history",
    hints=(
        "conn.rollback goes to the version before this one.",
        "It takes a message, as set_model_version does.",
        'conn.rollback("digits", message="it confuses 3 and 8")',
    ),
)
def history(wb: Checked) -> None:
    moves = wb.conn.get_model_history("digits")
    if moves[-1]["move"] != "rollback":
        raise NotYet(f"The last move was a {moves[-1]['move']}, and not a roll-back.")
    if not moves[-1]["message"]:
        raise NotYet("The roll-back has no message: say why.")


@check(
    "versions-default",
    hints=(
        "The default output is the application's, and can be changed.",
        "conn.set_default_output changes it. Then ask something that the model fails on.",
        'conn.set_default_output("digits", "draw it again, please")',
    ),
)
def default(wb: Checked, answer: Mapping[str, Any]) -> None:
    if not answer["default"]:
        raise NotYet("This answer is the model's: ask something on which it fails.")
    if answer["output"] == -1:
        raise NotYet("The default output is -1 still.")


@check(
    "versions-clean-up",
    hints=(
        "Versions are taken away by name.",
        "conn.stop_versioned_models takes a dictionary: the model, and a list of its versions.",
        'conn.stop_versioned_models({"digits": ["fragile", "theirs"]})',
    ),
)
def clean_up(wb: Checked) -> None:
    left = {v["model_version"] for v in wb.conn.get_all_models(verbose=True) if v["model_name"] == "digits"}
    if left != {"bayes", "svm"}:
        raise NotYet(f"The model digits has the versions {', '.join(sorted(left))}.")


@check(
    "exercise-versions-canary",
    hints=(
        "The remainder of a division by ten tells which queries it is.",
        'A query that names a "version" is answered by it.',
        'return {"input": flat, "version": "2"} if i % 10 == 0 else {"input": flat}',
    ),
)
def canary(wb: Checked, body: Callable[[int, list[float]], dict[str, Any]]) -> None:
    for i in range(21):
        sent = body(i, [50.0])
        if not isinstance(sent, dict) or "input" not in sent:
            raise NotYet(f"body({i}, [50.0]) gives {sent!r}, which is no query.")
        answer = wb.http.post("/price/predict", json=sent).json()
        expected = 146_000.0 if i % 10 == 0 else 150_000.0
        if answer.get("output") != expected:
            raise NotYet(f"Query {i} was answered {answer.get('output', answer)}, and not {expected:.0f}.")


@check(
    "exercise-versions-rule",
    hints=(
        "First the relative error of each, then their mean.",
        "Above a tenth, call conn.rollback with the model's name and a message.",
        'conn.rollback("price", message="...")',
    ),
)
def rule(wb: Checked, decide: Callable[[ClipperConnection, list[float], list[float]], None]) -> None:
    conn = wb.conn
    conn.set_model_version("price", 2)
    decide(conn, [100.0, 210.0], [105.0, 200.0])
    if conn.get_current_model_version("price") != "2":
        raise NotYet("It rolled back for errors of a twentieth.")
    decide(conn, [130.0, 250.0], [100.0, 200.0])
    if conn.get_current_model_version("price") != "1":
        raise NotYet("It did not roll back for errors of a quarter and more.")
    if not conn.get_model_history("price")[-1]["message"]:
        raise NotYet("The roll-back has no message: say why.")


@check(
    "exercise-versions-default",
    hints=(
        "The application has the default output, and the connection changes it.",
        "conn.set_default_output takes the application's name, and the output.",
        'conn.set_default_output("price", None)',
    ),
)
def no_price(wb: Checked) -> None:
    info = wb.conn.get_app_info("price")
    if info is None or info["default_output"] is not None:
        raise NotYet(f"The default output is {info['default_output'] if info else '?'!r} still.")
