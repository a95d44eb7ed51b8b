"""Checks of lesson 01: serve a model in five minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clipper_container.errors import NotFound

from . import Checked, NotYet, check

if TYPE_CHECKING:
    from ...connection import ClipperConnection


def _answered_by_the_model(answer: object) -> None:
    if not isinstance(answer, Mapping) or "output" not in answer:
        raise NotYet("Give an answer of the application, the dictionary that it sends.")
    if answer.get("default"):
        raise NotYet(f"That is the default output. {answer.get('default_explanation', '')}")


def _linked(wb: Checked) -> None:
    if "digits" not in wb.conn.get_all_apps():
        raise NotYet("There is no application `digits` yet.")
    if wb.conn.get_linked_models("digits") != ["digits"]:
        raise NotYet("The application `digits` has no model yet.")


def _versions(wb: Checked) -> list[str]:
    return [v["model_version"] for v in wb.conn.get_all_models(verbose=True) if v["model_name"] == "digits"]


@check(
    "first-serve",
    hints=(
        "Three calls are needed: one for the application, one for the model, one for the link.",
        "`conn.register_application`, `deploy_sklearn_model`, `conn.link_model_to_app`, in this order.",
        'Run the cells above from the top. The last call is `conn.link_model_to_app("digits", "digits")`.',
    ),
)
def serve(wb: Checked, answer: object) -> None:
    _linked(wb)
    _answered_by_the_model(answer)


@check(
    "first-measure",
    hints=(
        "Ask the application every picture of the test set, and compare with `test_y`.",
        "`measure()` does so, and returns the share of right answers.",
        "`accuracy_1 = measure()`",
    ),
)
def measure(wb: Checked, accuracy: float) -> None:
    if not 0 < accuracy <= 1:
        raise NotYet(f"An accuracy is a share between 0 and 1, and this is {accuracy}.")
    if accuracy < 0.7:
        raise NotYet(f"Only {accuracy:.0%} were right, fewer than the model gets right in the notebook.")


@check(
    "first-roll-back",
    hints=(
        "Which version is current is a pointer, and one call moves it.",
        '`conn.get_model_history("digits")` tells how it has moved so far.',
        '`conn.set_model_version("digits", 1)` goes back. With a 2 it goes forward again.',
    ),
)
def roll_back(wb: Checked) -> None:
    try:
        moves = [move["version"] for move in wb.conn.get_model_history("digits")]
    except NotFound:
        raise NotYet("There is no model `digits` yet.") from None
    if "2" not in moves:
        raise NotYet("Version 2 is not deployed yet.")
    if "1" not in moves[moves.index("2") :]:
        raise NotYet("Version 2 has replaced version 1, but nobody has gone back yet.")


@check(
    "first-scale",
    hints=(
        "Give the connection that found the cluster again.",
        '`conn.connect()` finds it, and `conn.set_num_replicas("digits", 3)` scales.',
        "Run the cell above, and then this one: `conn` is the new connection in it.",
    ),
)
def scale(wb: Checked, conn: ClipperConnection) -> None:
    if conn.get_query_addr() != wb.conn.get_query_addr():
        raise NotYet(f"This connection is to another cluster, {conn.cm.cluster_name}.")
    info = conn.get_model_info("digits", 2)
    ready = info["ready_replicas"] if info else 0
    if ready != 3:
        raise NotYet(f"Version 2 has {ready} replicas that are ready, and 3 were asked for.")


@check(
    "first-recover",
    hints=(
        "An answer says why it is a default one. Then put the version back that worked.",
        'Deploy the function that fails, and ask once: `answer["default_reason"]` has the reason.',
        'Ask while version 3 is current, then `conn.set_model_version("digits", 2)`.',
    ),
)
def recover(wb: Checked, answer: Mapping[str, Any]) -> None:
    if not answer.get("default"):
        raise NotYet("Nothing went wrong with this answer: give the one of the model that fails.")
    if answer.get("default_reason") != "model_error":
        raise NotYet(f"This answer's reason is {answer.get('default_reason')!r}, and not 'model_error'.")
    current = wb.conn.get_current_model_version("digits")
    if current not in ("1", "2"):
        raise NotYet(f"Version {current} is still the current one, and it fails.")


@check(
    "exercise-first-serve",
    hints=(
        "Lesson 01 has it under *See it work*: an application, a model, a link.",
        "Register `digits` for `doubles`, with -1 and 100,000 µs. Deploy `svm` as its version 1.",
        'End with `conn.link_model_to_app("digits", "digits")`, and ask: `answer = ask(test_x[0])`.',
    ),
)
def exercise_serve(wb: Checked, answer: object) -> None:
    _linked(wb)
    _answered_by_the_model(answer)


@check(
    "exercise-first-measure",
    hints=(
        "Deploy `forest` under the same name with the next number. The application needs no change.",
        "`measure(version)` asks one version, whichever is current, and returns what belongs in `measured`.",
        '`measured = {"1": measure(1), "2": measure(2)}`',
    ),
)
def exercise_measure(wb: Checked, measured: object) -> None:
    if "2" not in _versions(wb):
        raise NotYet("There is no version 2 of `digits` yet.")
    if not isinstance(measured, Mapping) or {*measured} != {"1", "2"}:
        raise NotYet('`measured` should be a dictionary with an entry for "1" and one for "2".')
    if not all(0.8 < accuracy <= 1 and p50_ms > 0 for accuracy, p50_ms in measured.values()):
        raise NotYet(f"These are no figures of the two models: {dict(measured)}.")


@check(
    "exercise-first-choose",
    hints=(
        "Look at more than the accuracy. What would a user feel?",
        "Both are about as right as each other, and one takes several times as long.",
        'The first one is as good and quicker: `conn.set_model_version("digits", 1)`.',
    ),
)
def exercise_choose(wb: Checked) -> None:
    if not {"1", "2"} <= {*_versions(wb)}:
        raise NotYet("Deploy both versions first, so that there is a choice.")
    if wb.conn.get_current_model_version("digits") != "1":
        raise NotYet(
            "Version 2 answers at the moment. It costs several times the computing. What does it gain?"
        )
