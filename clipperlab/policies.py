"""How an application chooses among its models.

from clipperlab import policies as P
conn.set_policy("digits", P.Split({"bayes": 0.9, "svm": 0.1}))

An arm is a linked model, which is its current version, or one version of one, as "svm:2".

Greedy, UCB, Thompson, Exp3 and LinTS learn of feedback which arm is best: `conn.feedback` gives it. A part
`explore` of the queries goes to all arms alike, so that what has changed is noticed, and estimates have
something to go by. With each feedback the part `forget` of what was learned before is forgotten: an arm that
failed and is well again comes back. Greedy, UCB, Thompson and Exp3 also notice where an arm's last rewards do
not fit those before, and ask one that has failed once a second, with a tenth of the queries at most: from 15
rewards a second on one that fails is left within 5 seconds, and one that is mended nearly always back within
10. With fewer that takes longer. Without `arms` they choose among all models that are linked when the policy
is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Never

from clipper_container.errors import BadRequest


@dataclass(frozen=True)
class First:
    """The first linked model answers. It is what an application does that was given no policy.

    It has no arguments. To have another model answer, unlink those that were linked before it.

    >>> conn.set_policy("digits", P.First())
    """

    def __init__(self, *given: Never, **options: Never) -> None:
        if given or options:
            raise BadRequest(
                "P.First() has no arguments: the model that was linked first answers. To have another one "
                "answer, unlink those before it, with unlink_model_from_app; P.Split shares the queries "
                "among several."
            )


@dataclass(frozen=True)
class Split:
    """One of the arms answers, each with a share of the queries: a canary, or an A/B test.

    `weights` are shares, which sum up to 1. With `sticky="unit"` all requests of one unit (a user, a session,
    a device) are answered by the same arm: a request names its unit in its body ("unit"), by the header
    X-Clipper-Unit, or as the Open Inference parameter `unit`; one that names none is drawn for. Where the
    weights change, no more units than must change their arm. What an arm without a ready replica would get,
    the others get.

    >>> conn.set_policy("digits", P.Split({"digits": 0.9, "bayes": 0.1}, sticky="unit"))
    >>> conn.application("digits").predict(X[0], unit="ada")["output"]
    0
    """

    weights: Mapping[str, float]
    sticky: Literal["unit"] | None = None


@dataclass(frozen=True)
class Vote:
    """All arms are asked, and vote: an ensemble.

    Of labels (whole numbers, texts, and all that is no number with a fraction) the one with the most weight
    wins; of numbers the answer is the mean by weight. An answer tells its `confidence`, which is the part of
    all the weight that is behind it: of labels of those that say the same, of numbers of all that are in
    time, however far apart they are. Where that is below `min_confidence`, the default output answers, with
    the reason low_confidence. `weights="learned"` has them come of feedback: of labels, by which each arm is
    judged, also those that were outvoted; `forget` is the part of it that is forgotten with each. `early`
    answers as soon as what is missing could not change the vote. A number
    that is `missing` at the latency objective is left out, or the mean of what its arm has said so far
    ("mean") stands for it.

    >>> conn.set_policy("digits", P.Vote(["digits:1", "digits:2", "bayes"], min_confidence=0.6))
    >>> conn.application("digits").predict(X[0])["confidence"]
    1.0
    """

    arms: Sequence[str]
    weights: Mapping[str, float] | Literal["learned"] = field(default_factory=dict)
    min_confidence: float = 0.0
    early: bool = False
    missing: Literal["leave out", "mean"] = "leave out"
    forget: float = 0.001


@dataclass(frozen=True)
class Cascade:
    """The first arm is asked, and the next one only where it is not sure: cheap models before dear ones.

    `arms` are in the order in which they are asked. Where the confidence of one is `below` that, the next one
    is asked with the time that is left; the last one answers in any case. By the `rule` "field" a model
    returns its confidence, from 0 to 1, beside its output, as {"output": ..., "confidence": ...}, and clients
    get the output; by "max" it returns a list of probabilities, and its confidence is the largest of them. An
    answer tells its `model`, and its `confidence`.

    Where the next arm would not be done by the latency objective it is not asked, and the answer that is
    there stands at once; it stands too where the next arm fails, has no replica or is late. Such an answer
    is `partial`. Where an arm itself has no answer, the next one is asked at once. `conn.tune_cascade`
    finds a confidence by which little is lost.

    >>> conn.set_policy("digits", P.Cascade(["bayes", "digits"], below=0.9))
    >>> conn.application("digits").predict(X[0])["model"]
    'digits:2'
    """

    arms: Sequence[str]
    below: float
    rule: Literal["field", "max"] = "field"


@dataclass(frozen=True)
class Greedy:
    """The arm with the best mean reward so far; a part `eps` of the queries is spread over all.

    >>> conn.set_policy("digits", P.Greedy(eps=0.05))
    >>> conn.get_policy("digits").arms
    ['digits', 'bayes']
    """

    eps: float = 0.1
    arms: Sequence[str] = ()
    forget: float = 0.004


@dataclass(frozen=True)
class UCB:
    """The arm that may be the best yet: with the highest upper confidence bound, mean + sqrt(c ln t / n).

    >>> conn.set_policy("digits", P.UCB(["digits:1", "digits:2"]))
    """

    arms: Sequence[str] = ()
    c: float = 0.25
    explore: float = 0.08
    forget: float = 0.0003


@dataclass(frozen=True)
class Thompson:
    """Each arm as often as it is likely to be the best one, by what is known of its mean reward.

    >>> conn.set_policy("digits", P.Thompson())
    >>> answer = conn.application("digits").predict(X[0])
    >>> conn.feedback("digits", answer, label=0)["accepted"]
    1
    """

    arms: Sequence[str] = ()
    explore: float = 0.05
    forget: float = 0.001


@dataclass(frozen=True)
class Exp3:
    """By weights that fall with an arm's losses, at the rate `eta`: the one of Clipper's paper.

    It does not suppose that rewards stay as they are. With `forget=0` it is the paper's, which hardly comes
    back to an arm that it has left.

    >>> conn.set_policy("digits", P.Exp3(eta=0.1))
    """

    arms: Sequence[str] = ()
    eta: float = 0.05
    explore: float = 0.05
    forget: float = 0.00015


@dataclass(frozen=True)
class LinTS:
    """Each arm as often as it is likely to be the best one for what a query says of itself in numbers.

    `features` is how many these are, from 1 to 64. A query has them as its "context", a list of that length
    in its body, or with commas in the header X-Clipper-Context, each from -1000 to 1000; one that lacks them
    is refused. Of each arm a reward is taken for a constant and a weighted sum of the numbers: about 1 in
    size they are learned soonest. Query frontends choose by 64 draws of the weights, as likely as they are by
    what is known, and an answer's probability is the part of them in which its arm is worth most, and its
    part of `explore`. Draws are made anew once a second at most. Arms times features are 1,024 at most, and
    there can be no default reward.

    Linear Thompson sampling: Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear
    Payoffs", 2013; with `forget=0` it forgets as little as theirs.

    >>> conn.set_policy("digits", P.LinTS(features=2))
    >>> conn.application("digits").predict(X[0], context=[0.3, 1.0])["output"]
    0
    """

    features: int = field(kw_only=True)
    arms: Sequence[str] = ()
    explore: float = 0.05
    forget: float = 0.001


Learner = Greedy | UCB | Thompson | Exp3 | LinTS
Policy = First | Split | Vote | Cascade | Learner
LEARNERS: dict[str, type[Learner]] = {
    "greedy": Greedy,
    "ucb": UCB,
    "thompson": Thompson,
    "exp3": Exp3,
    "lints": LinTS,
}
"""By their kind."""


@dataclass(frozen=True)
class NoMore:
    """A guardrail of a rollout: what its new version may not do more often than the one before meanwhile.

    `what` is "errors" (of the model), "late" (no answer within the objective, or before the client hung up),
    "defaults" (no output, for any reason) or "latency_p95" (answers that take longer than the 95th percentile
    of the version before). With a `tolerance` of 1.2 up to 1.2 times as many are allowed; of latency_p95, up
    to 1.2 times that long.

    >>> guardrails = [P.NoMore("errors"), P.NoMore("latency_p95", tolerance=1.5)]
    >>> rollout = conn.start_rollout("digits", 1, guardrails=guardrails)
    """

    what: Literal["errors", "late", "defaults", "latency_p95"]
    tolerance: float = 1.0


@dataclass(frozen=True)
class NoLess:
    """A guardrail of a rollout: the mean reward of its new version may be lower by `by` at most than that of
    the version before meanwhile.

    `what` is "reward", which feedback tells: one of the applications that ask for the model collects it.
    Compared are answers that had feedback, by the share that held when they were given. Where feedback comes
    more often for one version than for the other, they cannot be compared, and the rollout waits.

    >>> conn.collect_feedback("digits")
    >>> rollout = conn.start_rollout("digits", 1, guardrails=[P.NoLess("reward", by=0.02)])
    """

    what: Literal["reward"]
    by: float


Guardrail = NoMore | NoLess


def plain_guardrails(guardrails: Sequence[Guardrail]) -> list[dict[str, Any]]:
    """As the management API takes them. Raises BadRequest for what are none."""
    several = isinstance(guardrails, Sequence) and not isinstance(guardrails, str)
    wrong = [each for each in guardrails if not isinstance(each, Guardrail)] if several else [guardrails]
    if wrong:
        raise BadRequest(
            'Guardrails are a list, as [P.NoMore("errors"), P.NoLess("reward", by=0.02)], and '
            f"{_shown(wrong[0])} is none."
        )
    return [
        {
            "kind": rail.what,
            **({"tolerance": rail.tolerance} if isinstance(rail, NoMore) else {"by": rail.by}),
        }
        for rail in guardrails
    ]


def check_policy(policy: Any) -> None:
    """Raises BadRequest for what is no policy, or has no arms or weights in it."""
    if not isinstance(policy, Policy):
        if isinstance(policy, Mapping):
            wanted = "one of its arms by their shares is P.Split({'a': 0.9, 'b': 0.1})"
        else:
            wanted = (
                "write P.First(), P.Split(...), P.Vote(...), P.Cascade(...) or a learner, as P.Thompson()"
            )
        raise BadRequest(f"{_shown(policy)} is no policy: {wanted}.")
    weights = {} if isinstance(policy, First) else getattr(policy, "weights", {})
    if not isinstance(weights, Mapping) and not (isinstance(policy, Vote) and weights == "learned"):
        learned = ', or "learned"' if isinstance(policy, Vote) else ""
        raise BadRequest(
            f"Weights are a dictionary of arms, as {{'a': 0.9, 'b': 0.1}}{learned}, and not {weights!r}."
        )
    arms = getattr(policy, "arms", ())
    if isinstance(arms, str) or not isinstance(arms, Iterable):
        raise BadRequest(f"Arms are a list, as ['a', 'b:2'], and not {arms!r}.")


def _shown(given: Any) -> str:
    return f"P.{given.__name__} without brackets" if isinstance(given, type) else repr(given)


def as_plain(policy: Policy) -> dict[str, Any] | None:
    """As the management API takes it. Raises BadRequest for what is none."""
    check_policy(policy)
    match policy:
        case First():
            return None
        case Split():
            return {"kind": "split", **asdict(policy), "weights": dict(policy.weights)}
        case Vote():
            plain = {"kind": "vote", **asdict(policy), "arms": list(policy.arms)}
            if policy.weights == "learned":
                return {**plain, "weights": {}, "learned": True}
            if policy.forget != Vote([]).forget:
                raise BadRequest('`forget` is of learned weights: give weights="learned", or leave it out.')
            del plain["forget"]
            return {**plain, "weights": dict(policy.weights)}
        case Cascade():
            return {"kind": "cascade", **asdict(policy), "arms": list(policy.arms)}
        case Greedy():
            return {
                "kind": "greedy",
                "arms": list(policy.arms),
                "explore": policy.eps,
                "forget": policy.forget,
            }
        case _:
            return {"kind": kind_of(policy), **asdict(policy), "arms": list(policy.arms)}


def kind_of(policy: Learner) -> str:
    return next(kind for kind, of in LEARNERS.items() if type(policy) is of)


def of_plain(plain: Mapping[str, Any] | None) -> Policy:
    if plain is None:
        return First()
    fields = {name: value for name, value in plain.items() if name not in ("kind", "salt")}
    match plain["kind"]:
        case "split":
            return Split(**fields)
        case "vote":
            learned = fields.pop("learned", False)
            return Vote(**{**fields, "weights": "learned"} if learned else fields)
        case "cascade":
            return Cascade(**fields)
        case "greedy":
            return Greedy(fields["explore"], fields["arms"], fields["forget"])
        case kind:
            return LEARNERS[kind](**fields)


def arms_of(application: Mapping[str, Any]) -> list[str]:
    """What an application chooses among, as management tells of it."""
    policy = application["policy"]
    if policy is None:
        return list(application["linked_models"][:1])
    return list(policy["weights"] if policy["kind"] == "split" else policy["arms"])


def model_of(arm: str) -> str:
    return arm.partition(":")[0]


def shares(policy: Policy, linked: Sequence[str]) -> dict[str, float]:
    """The probability of each arm that may be asked. Raises BadRequest where it is not known beforehand."""
    check_policy(policy)
    if isinstance(policy, Split):
        return dict(policy.weights)
    if not isinstance(policy, First):
        raise BadRequest("Only what P.Split and P.First would ask is known beforehand.")
    if not linked:
        raise BadRequest("No model is linked, so nobody would be asked.")
    return {linked[0]: 1.0}


def wanted(
    application: Mapping[str, Any], shares: Mapping[str, tuple[str, str, float]]
) -> dict[str, float | None]:
    """Which share of the inputs each arm is to get; None: it is learned, or what the arms before are not sure
    of. In a vote all are asked.

    `shares` has, for each model with a rollout that runs, its control, its canary and that one's share.
    """
    policy = application["policy"]
    found: dict[str, float | None] = {}
    for arm in arms_of(application):
        share: float | None = 1.0
        if policy is not None and policy["kind"] == "split":
            share = policy["weights"][arm]
        elif policy is not None and policy["kind"] != "vote":
            share = 1.0 if policy["kind"] == "cascade" and not found else None
        if arm in shares:
            control, canary, part = shares[arm]
            found[f"{arm}:{control}"] = None if share is None else share * (1 - part)
            found[f"{arm}:{canary}"] = None if share is None else share * part
        else:
            found[arm] = share
    return found


def answered_by(linked: Sequence[str], policy: Mapping[str, Any] | None) -> str:
    """The linked models, or what the policy makes of them, for a cell of a table; "" where there is none."""
    if policy is None:
        return ", ".join(linked)
    if policy["kind"] == "split":
        shares = ", ".join(f"{arm} {100 * weight:g} %" for arm, weight in policy["weights"].items())
        return f"split: {shares}{', by unit' if policy['sticky'] else ''}"
    if policy["kind"] == "cascade":
        return f"cascade of {', '.join(policy['arms'])}, below {policy['below']:g}"
    learns = ", learned" if policy["kind"] == "vote" and policy["learned"] else ""
    return f"{policy['kind']} of {', '.join(policy['arms'])}{learns}"
