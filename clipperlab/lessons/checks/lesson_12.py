"""Checks of lesson 12, on running a service for a week."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import Checked, NotYet, check

SHOWN_BY = {
    "bad deploy": "good",
    "faint pictures": "ink",
    "slow replica": "p99",
}


@check(
    "week-complaints",
    hints=(
        "An answer that is a default output has `default_reason`.",
        "A deploy that fails raises DeployError, with what the model said.",
        "A query that comes alone has to reach the model as a batch of one.",
    ),
)
def complaints(wb: Checked, answer: Mapping[str, Any], error: str, sizes: Sequence[int]) -> None:
    if not answer.get("default_reason"):
        raise NotYet("The answer does not say why it is a default output.")
    if "No module named" not in error:
        raise NotYet("The error does not say which module is missing.")
    if set(sizes) != {1}:
        raise NotYet(f"The model saw batches of {sorted(set(sizes))}, and each query came alone.")


@check(
    "week-deploy",
    hints=(
        "Roll back while the load still runs, and take its result() afterwards.",
        "conn.rollback(name, message=...) leaves a line in the history.",
        "`answers` of the result counts what became of each query: model, model_error, ...",
    ),
)
def deploy(wb: Checked, result: Mapping[str, Any]) -> None:
    answers = result["answers"]
    if not answers.get("model_error"):
        raise NotYet("No query met the bad version: deploy it while the load runs.")
    lost = {
        kind: n for kind, n in answers.items() if kind in ("connection lost", "no answer") or "status" in kind
    }
    if lost:
        raise NotYet(f"Some queries got no answer at all: {lost}.")
    if not any(
        move["move"] == "rollback" and move["message"] for move in wb.conn.get_model_history("digits")
    ):
        raise NotYet("The history has no roll-back with a message yet.")


@check(
    "week-drift",
    hints=(
        "Compare Wednesday with Monday: which numbers are the same, and which are not?",
        "Stage the new version with make_current=False, compare, and then start_rollout.",
        "A version that has seen pictures of both kinds is right on both.",
    ),
)
def drift(
    wb: Checked, then: Mapping[str, float], faint: Mapping[str, float], mended: Mapping[str, float]
) -> None:
    if faint["ink"] > 0.7 * then["ink"]:
        raise NotYet(f"The ink was {then['ink']:.1f} and is {faint['ink']:.1f}: that is no drift.")
    if mended["right"] < faint["right"] + 0.1:
        raise NotYet(
            f"Right were {faint['right']:.0%}, and now {mended['right']:.0%}: that is hardly better."
        )


@check(
    "week-replica",
    hints=(
        "clipper_replica_prediction_latency_seconds has a sum and a count for each replica.",
        "get_all_model_replicas(verbose=True) has the process id of each.",
        "os.kill(pid, signal.SIGKILL) ends it, and management starts another one.",
    ),
)
def replica(wb: Checked, slow: str, pid: int) -> None:
    running = wb.conn.get_all_model_replicas(verbose=True)
    if any(r["pid"] == pid for r in running):
        raise NotYet(f"The process {pid} of replica {slow} still runs.")
    if not any(
        event["kind"] == "crash" and event["subject"].get("replica") == slow for event in wb.conn.events()
    ):
        raise NotYet(f"No event says that replica {slow} ended.")


@check(
    "week-report",
    hints=(
        "Go back to each day, and look at which number was not as on Monday.",
        'The lines are "good", "p99", "right" and "ink", and no line belongs to two troubles.',
        "What answered showed the deploy, what came in showed the scanner, how long it took the replica.",
    ),
)
def report(wb: Checked, report: Any) -> None:
    if not isinstance(report, Mapping):
        raise NotYet("Give a dictionary: the trouble, and the line that showed it.")
    wrong = [trouble for trouble, line in SHOWN_BY.items() if report.get(trouble) != line]
    if wrong:
        raise NotYet(f"Think again about: {', '.join(wrong)}.")


@check(
    "exercise-week-reason",
    hints=(
        "Ask the application several inputs, and look at those answers that are default outputs.",
        '`answer["default_reason"]` is the reason; `conn.why(query_id)` has the version, under `models`.',
        "Negative distances get the default output, from the version that is current now.",
    ),
)
def reason(wb: Checked, reason: Any, version: Any) -> None:
    if reason is None or version is None:
        raise NotYet("Set both: the reason of the default outputs, and the version that gives them.")
    if reason != "model_error":
        raise NotYet(f"{reason} is not what the default outputs say.")
    if str(version) != "2":
        raise NotYet(f"Version {version} is not the one that raises.")


@check(
    "exercise-week-back",
    hints=(
        "conn.rollback(name) makes the version before the current one current again.",
        "It takes a message, for the history.",
        'conn.rollback("fares", message="version 2 fails on negative distances")',
    ),
)
def back(wb: Checked) -> None:
    if wb.conn.get_current_model_version("fares") != "1":
        raise NotYet("Version 1 is not the current one yet.")
    if not wb.conn.get_model_history("fares")[-1]["message"]:
        raise NotYet("The last line of the history has no message.")
    if wb.conn.application("fares").predict([-3.0])["default"]:
        raise NotYet("A negative distance still gets the default output.")


@check(
    "exercise-week-alarm",
    hints=(
        "Compare the mean of what comes in now with the mean of what came before.",
        "A mean of n numbers varies by their standard deviation divided by the root of n.",
        "abs(mean(now) - mean(before)) > 5 * stdev(before) / sqrt(len(now))",
    ),
)
def alarm(wb: Checked, drifted: Callable[[list[float], list[float]], Any]) -> None:
    generator = random.Random(7)
    before = [generator.gauss(5.0, 1.0) for _ in range(500)]
    for mean, expected in ((5.0, False), (3.0, True), (7.0, True), (5.0, False)):
        now = [generator.gauss(mean, 1.0) for _ in range(200)]
        found = drifted(before, now)
        if found is None:
            raise NotYet("drifted() returns nothing yet.")
        if bool(found) != expected:
            word = "rang" if found else "was silent"
            raise NotYet(f"The alarm {word} when the mean was 5 before and {mean:g} now.")
