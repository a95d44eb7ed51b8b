"""Checks of lesson 15, on shadows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from . import Checked, NotYet, check

THINKS_MS = 300.0  # the slow shadow, for each batch


@check(
    "shadow-asked",
    hints=(
        "The shadow should have been asked, and its answers should be nobody's.",
        "shadow.now['seen'] has how many pairs were compared.",
        'conn.start_shadow("svm", 2, fraction=1)',
    ),
)
def asked(wb: Checked, shadow: Any, wrong: int) -> None:
    if not shadow.now["seen"]["compared"]:
        raise NotYet("No pair has been compared yet: ask, and wait a second.")
    if wrong:
        raise NotYet(f"{wrong} answers were not those of version 1.")


@check(
    "shadow-agrees",
    hints=(
        "The share of the pairs in which both said the same.",
        "It lies in its interval, and below 1.",
        "shadow.agreement()",
    ),
)
def agrees(wb: Checked, shadow: Any, agreement: float) -> None:
    seen = shadow.now["seen"]
    if seen["agreement"] is None:
        raise NotYet("No pair has been compared yet.")
    if not seen["low"] - 0.05 <= agreement <= seen["high"] + 0.05:
        raise NotYet(f"They agree in {seen['agreement']:.1%}, and not in {agreement:.1%}.")
    if not 0.8 < agreement < 0.96:
        raise NotYet(f"About nine in ten was to be expected, and it is {agreement:.1%}.")


@check(
    "shadow-differs",
    hints=(
        "A table of the pairs in which both said something else.",
        "Its column `differs` names the place, and is empty where there is none.",
        'found[found["differs"] != ""]',
    ),
)
def differs(wb: Checked, different: Any) -> None:
    if not len(different):
        raise NotYet("The table is empty: they differ somewhere.")
    said = {int(before) for before in different["before"]}
    if said != {8}:
        raise NotYet(f"All of them should be eights to version 1, and they are {sorted(said)}.")


@check(
    "shadow-costs",
    hints=(
        "Two lists of times: without the shadow, and beside it.",
        "Half of those who ask should wait hardly longer.",
        "alone = times_ms(), before start_shadow; beside = times_ms() after it",
    ),
)
def costs(wb: Checked, alone: Sequence[float], beside: Sequence[float]) -> None:
    # Whoever waited for it would wait that long. What is less may be a machine that does much else.
    if median(beside) > median(alone) + THINKS_MS / 2:
        raise NotYet(
            f"Beside the shadow users wait {median(beside):.1f} ms, and {median(alone):.1f} ms without. It "
            f"thinks for {THINKS_MS:.0f} ms, and they should not wait for it."
        )


@check(
    "shadow-promoted",
    hints=(
        "The shadow should be the current version now.",
        "A promoted shadow is a shadow no more.",
        'shadow.promote("why")',
    ),
)
def promoted(wb: Checked, shadow: Any) -> None:
    told = shadow.now
    if told["state"] != "promoted":
        raise NotYet(f"The shadow is {told['state']}.")
    if wb.conn.get_current_model_version(shadow.model) != told["version"]:
        raise NotYet(f"Version {told['version']} should be current.")


@check(
    "exercise-shadow-tolerance",
    hints=(
        "Start the shadow, ask, and look at the table of pairs.",
        "diff() takes a tolerance: numbers within it are alike.",
        'int((shadow.diff(tolerance=0.01)["differs"] != "").sum())',
    ),
)
def tolerance(wb: Checked, different: int | None) -> None:
    if wb.conn.shadow("price").now["seen"]["compared"] < 20:
        raise NotYet("Fewer than 20 pairs have been compared.")
    if different is None:
        raise NotYet("`different` is not set yet.")
    if different:
        raise NotYet(f"None differs by more than a cent, and you have {different}.")


@check(
    "exercise-shadow-at-most",
    hints=(
        "Were the share p, how likely is it that none of n inputs is one of those?",
        "(1 - p) ** n, which is to be 0.05.",
        "return 1 - 0.05 ** (1 / pairs)",
    ),
)
def at_most(wb: Checked, at_most: Callable[[int], float]) -> None:
    for pairs, expected in [(1, 0.95), (100, 0.0295), (1000, 0.002991)]:
        found = at_most(pairs)
        if found is None:
            raise NotYet("The function returns nothing.")
        if abs(found - expected) > 0.01 * expected:
            raise NotYet(
                f"With {pairs} pairs it is {expected:.2%} at most, and the function says {found:.2%}."
            )


@check(
    "exercise-shadow-promote",
    hints=(
        "Version 2 of price should be current.",
        "The shadow knows how to become so.",
        'shadow.promote("rounds to cents, and nothing else")',
    ),
)
def promote(wb: Checked) -> None:
    if wb.conn.get_current_model_version("price") != "2":
        raise NotYet("Version 2 of price is not current.")
    if not wb.conn.get_model_history("price")[-1]["message"]:
        raise NotYet("The history should say why: give a message.")
