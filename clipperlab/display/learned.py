"""What was learned of feedback: each arm's rewards, and its probability or weight, by context."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import draw
from . import Displayed, Shown
from .beside import beside
from .table import table

if TYPE_CHECKING:
    from ..management import Learned as Told
    from ..management import LearnedArm, LearnedContext, Management

NAMES = ("arm", "context", "is", "rewards", "mean reward", "share now")
SHOWN = 20  # contexts, those with most feedback first
WEIGHTS = 8  # of an arm, the largest


class Learned(Displayed):
    """What an application has learned, as it is whenever it is looked at: `conn.learned("digits")`.

    At the end of a cell it is a live view, with shares and regret over the last minutes. Regret is the reward
    that was lost by not always asking the arm that was best at the moment: estimated, by inverse propensity,
    from the feedback that came since the policy was set, or since management began. An arm's rewards and
    their mean are of all feedback that it has had; its share now is by what is not forgotten of that.

    >>> conn.set_policy("digits", P.Thompson())
    >>> learned = conn.learned("digits")
    """

    def __init__(self, management: Management, application: str, view: Callable[[], Shown]) -> None:
        self._management = management
        self.application = application
        self._new_view = view

    @property
    def now(self) -> Told:
        """All of it, in plain values.

        >>> conn.set_policy("digits", P.Thompson())
        >>> "contexts" in conn.learned("digits").now
        True
        """
        return self._management.learned(self.application)

    def arms(self, context: str = "") -> dict[str, LearnedArm]:
        """Each arm of a context by its name; of one that nobody has asked yet, none.

        >>> conn.set_policy("digits", P.Thompson())
        >>> app = conn.application("digits")
        >>> taken = app.feedback(app.predict(X[0], context="scans"), label=0, wait=True)
        >>> sorted(conn.learned("digits").arms("scans"))
        ['bayes', 'digits']
        """
        found = next((each for each in self.now["contexts"] if each["context"] == context), None)
        return {} if found is None else {arm["arm"]: arm for arm in found["arms"]}

    @property
    def regret(self) -> float | None:
        """The reward that was lost so far, as feedback tells; None where it tells nothing of a choice.

        >>> conn.set_policy("digits", P.Thompson())
        >>> conn.learned("digits").regret is None
        True
        """
        found = self.now["regret"]
        return None if found is None else found["lost"]

    def weights(self, context: str = "") -> dict[str, float]:
        """Each arm's probability at the moment; in a vote its weight.

        >>> conn.set_policy("digits", P.Thompson())
        >>> conn.learned("digits").weights("a context that nobody has asked")
        {}
        """
        arms = self.arms(context).items()
        return {name: arm["weight"] for name, arm in arms if arm["weight"] is not None}

    def __repr__(self) -> str:
        told = self.now
        contexts = _most(told)
        lines = [f"{_named(each)}{arm['arm']}: {_so_far(arm)}" for each in contexts for arm in each["arms"]]
        return "\n".join([*lines, *_formulas(contexts), words(told)])

    def _view(self) -> Shown:
        return self._new_view()

    def _repr_html_(self) -> str:
        told = self.now
        said = _formulas(_most(told))
        share = "part of the last" if said else "share now"
        drawings = [
            draw.bars(
                {arm["arm"]: arm["weight"] for arm in each["arms"] if arm["weight"] is not None},
                title=share.capitalize() + (f", {each['context']}" if each["context"] else ""),
                unit="%",
            )
            for each in _most(told)[:2]
            if any(arm["weight"] is not None for arm in each["arms"])
        ]
        formulas = "".join(f"<p><small>{html.escape(text)}</small></p>" for text in said)
        return f"{table(NAMES, cells(told))}{formulas}<p>{words(told)}</p>{beside(*drawings)}"


def cells(told: Told) -> list[list[str]]:
    """What is known of each arm, below NAMES."""
    return [
        [arm["arm"], each["context"] or "-", arm["version"], f"{arm['rewards']:,}", _mean(arm), _share(arm)]
        for each in _most(told)
        for arm in each["arms"]
    ]


def _most(told: Told) -> list[LearnedContext]:
    contexts = sorted(told["contexts"], key=lambda each: -sum(arm["rewards"] for arm in each["arms"]))
    return contexts[:SHOWN]


def _named(each: LearnedContext) -> str:
    return f"{each['context']}, " if each["context"] else ""


def _share(arm: LearnedArm) -> str:
    return "-" if arm["weight"] is None else f"{arm['weight']:.1%}"


def _so_far(arm: LearnedArm) -> str:
    """Its share, where that is learned, and its rewards."""
    share = "" if arm["weight"] is None else f"{_share(arm)}, "
    rewards = f"mean reward {_mean(arm)} of {arm['rewards']:,}" if arm["rewards"] else "no reward yet"
    return f"{share}{rewards}"


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


def words(told: Told) -> str:
    """What became of the feedback."""
    found = [f"{told['joined']:,} of {told['decided']:,} answers have had feedback"]
    if told["regret"] is not None:
        found.append(
            f"about {told['regret']['lost']:,.1f} rewards were lost by not always asking the best arm, and "
            f"{told['regret']['alike']:,.1f} would have been by asking all alike"
        )
    if told["duplicates"]:
        found.append(f"{told['duplicates']:,} had it twice, and count once")
    if told["expired"]:
        found.append(f"{told['expired']:,} came too late")
    if told["forgotten"]:
        found.append(f"{told['forgotten']:,} contexts were forgotten, for there were too many")
    if len(told["contexts"]) > SHOWN:
        found.append(f"{len(told['contexts']) - SHOWN:,} more contexts are not shown")
    return "; ".join(found) + "."
