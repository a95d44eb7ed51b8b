"""What was learned of feedback: each arm's rewards, and its probability or weight, by context."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .. import draw
from .beside import beside
from .table import table

if TYPE_CHECKING:
    from ..management import Learned as Told
    from ..management import LearnedArm, LearnedContext, Management

SHOWN = 20  # contexts, those with most feedback first
WEIGHTS = 8  # of an arm, the largest


class Learned:
    """What an application has learned, as it is whenever it is looked at: `conn.learned("digits")`."""

    def __init__(self, management: Management, application: str) -> None:
        self._management = management
        self.application = application

    @property
    def now(self) -> Told:
        """All of it, in plain values."""
        return self._management.learned(self.application)

    def arms(self, context: str = "") -> dict[str, LearnedArm]:
        """Each arm of a context by its name; of one that nobody has asked yet, none."""
        found = next((each for each in self.now["contexts"] if each["context"] == context), None)
        return {} if found is None else {arm["arm"]: arm for arm in found["arms"]}

    def weights(self, context: str = "") -> dict[str, float]:
        """Each arm's probability at the moment; in a vote its weight."""
        arms = self.arms(context).items()
        return {name: arm["weight"] for name, arm in arms if arm["weight"] is not None}

    def __repr__(self) -> str:
        told = self.now
        contexts = _most(told)
        lines = [
            f"{_named(each)}{arm['arm']}: {_share(arm)}, mean reward {_mean(arm)} of {arm['rewards']:,}"
            for each in contexts
            for arm in each["arms"]
        ]
        return "\n".join([*lines, *_formulas(contexts), _words(told)])

    def _repr_html_(self) -> str:
        told = self.now
        contexts = _most(told)
        rows = [
            [
                each["context"] or "-",
                arm["arm"],
                arm["version"],
                f"{arm['rewards']:,}",
                _mean(arm),
                _share(arm),
            ]
            for each in contexts
            for arm in each["arms"]
        ]
        said = _formulas(contexts)
        share = "part of the last" if said else "share now"
        page = table(["context", "arm", "is", "rewards", "mean reward", share], rows)
        drawings = [
            draw.bars(
                {arm["arm"]: arm["weight"] for arm in each["arms"] if arm["weight"] is not None},
                title=share.capitalize() + (f", {each['context']}" if each["context"] else ""),
                unit="%",
            )
            for each in contexts[:2]
            if any(arm["weight"] is not None for arm in each["arms"])
        ]
        formulas = "".join(f"<p><small>{html.escape(text)}</small></p>" for text in said)
        return f"{page}{formulas}<p>{_words(told)}</p>{beside(*drawings)}"


def _most(told: Told) -> list[LearnedContext]:
    contexts = sorted(told["contexts"], key=lambda each: -sum(arm["rewards"] for arm in each["arms"]))
    return contexts[:SHOWN]


def _named(each: LearnedContext) -> str:
    return f"{each['context']}, " if each["context"] else ""


def _share(arm: LearnedArm) -> str:
    return "-" if arm["weight"] is None else f"{arm['weight']:.1%}"


def _mean(arm: LearnedArm) -> str:
    return "-" if arm["mean"] is None else f"{arm['mean']:.3f}"


def _formulas(contexts: list[LearnedContext]) -> list[str]:
    """What a reward is taken for by the numbers of a query, for each arm that is learned of so."""
    return [
        f"reward of {arm['arm']}: {_formula(arm['coefficients'])}"
        for each in contexts
        for arm in each["arms"]
        if arm["coefficients"] is not None
    ]


def _formula(coefficients: list[float]) -> str:
    """The constant, and the weights that matter most. x1 is the first number."""
    constant, *weights = coefficients
    most = sorted(range(len(weights)), key=lambda i: -abs(weights[i]))[:WEIGHTS]
    terms = [f" {'+' if weights[i] >= 0 else '-'} {abs(weights[i]):.3f} x{i + 1}" for i in sorted(most)]
    rest = f", and {len(weights) - WEIGHTS} smaller ones" if len(weights) > WEIGHTS else ""
    return f"{constant:.3f}{''.join(terms)}{rest}"


def _words(told: Told) -> str:
    """What became of the feedback."""
    words = [f"{told['joined']:,} of {told['decided']:,} answers have had feedback"]
    if told["duplicates"]:
        words.append(f"{told['duplicates']:,} had it twice, and count once")
    if told["expired"]:
        words.append(f"{told['expired']:,} came too late")
    if told["forgotten"]:
        words.append(f"{told['forgotten']:,} contexts were forgotten, for there were too many")
    if len(told["contexts"]) > SHOWN:
        words.append(f"{len(told['contexts']) - SHOWN:,} more contexts are not shown")
    return "; ".join(words) + "."
