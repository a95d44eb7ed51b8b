"""How an application chooses among its models."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...operations import Operations
from ...policies import Cascade, First, Learner, Policy, Split, Vote, answered_by, of_plain
from .. import arms as table
from ..actions import Action, Do, Worker, choose
from ..layout import LABEL, WIDE, checkbox, row
from ..view import set_value
from ..watch import Seen
from .arms import Members, Shares
from .cascade import CascadeForm
from .learner import LearnerForm

FIRST, SPLIT, VOTE = "the first model", "a split", "a vote"
CASCADE, LEARNS = "a cascade", "a learner"
NONE = "none"
TWO = "It chooses among two arms or more: link another model, or add a version as an arm."


class PolicyControls(widgets.VBox):
    """Which policy an application has, what comes of it, and a form for another one."""

    def __init__(self, conn: Operations, worker: Worker, application: str | None = None) -> None:
        self._conn = conn
        self._seen = Seen()
        self._alone = application is not None
        self._loaded: tuple[str | None, Policy | None, list[str]] | None = None  # what the form began with
        self._added: list[str] = []  # arms that are versions, which the policy does not have yet
        self.application = widgets.Dropdown(
            description="Application", options=[application] if application else [], value=application
        )
        self.words, self.arms = widgets.HTML(), widgets.HTML()
        self.kind = widgets.ToggleButtons(options=[FIRST, SPLIT, VOTE, CASCADE, LEARNS], value=FIRST)
        self.shares = Shares()
        self.sticky = checkbox(False, "the same arm for each unit, such as a user")
        self.members = Members()
        self.min_confidence = widgets.BoundedFloatText(
            0, min=0, max=1, step=0.05, description="Least confidence", layout=WIDE, style=LABEL
        )
        self.early = checkbox(False, "answer as soon as the vote is certain")
        self.missing = checkbox(False, "an arm's mean stands for a number that is late")
        self.learned = checkbox(False, "weights are learned of feedback")
        self.cascade = CascadeForm()
        self.learner = LearnerForm()
        self.another = widgets.Dropdown(description="Another arm", layout=WIDE, style=LABEL, options=[NONE])
        self.add = widgets.Button(description="Add", layout={"width": "auto"})
        self.why_none = widgets.HTML()
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self._first = widgets.HTML()
        self._split = widgets.VBox([self.shares, self.sticky])
        self._vote = widgets.VBox(
            [self.members, row(self.learned), row(self.min_confidence, self.early), row(self.missing)],
        )
        self._form = widgets.VBox([])
        self._more = row(self.another, self.add, self.why_none)
        self.set_policy = Action(
            "Set the policy",
            [self.message],
            worker=worker,
            style="primary",
            line=self._line,
            what=lambda: f"Setting the policy of {self.application.value}",
            do=self._set,
        )
        top = [] if self._alone else [self.application]
        super().__init__([*top, self.words, self.arms, self.kind, self._form, self.set_policy])
        self.application.observe(lambda _: self._on_application(), "value")
        self.kind.observe(lambda _: self._on_kind(), "value")
        self.add.on_click(lambda _: self._on_add())
        self.members.changed.append(self.set_policy.renew)
        self.shares.observe(lambda _: self.set_policy.renew(), "shares")
        for control in (
            *(self.sticky, self.min_confidence, self.early, self.missing),
            *(self.learned, self.learner.kind, self.learner.explore, self.learner.forget),
            *(self.learner.arms, self.learner.features),
            *(self.cascade.arms, self.cascade.below, self.cascade.rule),
        ):
            control.observe(lambda _: self.set_policy.renew(), "value")
        self._on_kind()

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if not self._alone:
            choose(self.application, [a["name"] for a in seen.applications], seen.busiest_application())
        found = seen.application(self.application.value)
        set_value(self.words, _in_words(found["linked_models"], found["policy"]) if found else "")
        set_value(self.arms, table.arms(seen, found) if found else "")
        self._begin()
        self._offer()
        self.set_policy.renew()

    def policy(self) -> Policy:
        """The one that the form says. Raises BadRequest where it says none."""
        if self.kind.value == FIRST:
            return First()
        if self.kind.value == SPLIT:
            pairs = zip(self.shares.names, self.shares.shares, strict=False)
            of = {arm: round(share / 100, 6) for arm, share in pairs if share > 0}
            if len(of) < 2:
                raise BadRequest("Only one arm has a share." if len(self.shares.names) > 1 else TWO)
            return Split(of, "unit" if self.sticky.value else None)
        if self.kind.value == LEARNS:
            found = self._seen.application(self.application.value)
            return self.learner.policy(self._current(), found["linked_models"] if found else [])
        if self.kind.value == CASCADE:
            return self.cascade.policy()
        members = self.members.weights()
        if len(members) < 2:
            raise BadRequest("Two arms or more vote." if len(self.members.has) > 1 else TWO)
        same = len(set(members.values())) == 1
        if self.learned.value and not same:
            raise BadRequest("Weights that are learned begin alike: give all arms the same.")
        missing: Literal["mean", "leave out"] = "mean" if self.missing.value else "leave out"
        weights: Any = "learned" if self.learned.value else {} if same else members
        least, current = round(self.min_confidence.value, 6), self._current()
        kept = isinstance(current, Vote) and current.weights == weights == "learned"
        forget = current.forget if isinstance(current, Vote) and kept else Vote([]).forget
        return Vote([*members], weights, least, self.early.value, missing, forget)

    def _current(self) -> Policy | None:
        found = self._seen.application(self.application.value)
        return None if found is None else of_plain(found["policy"])

    def _on_application(self) -> None:
        self._added = []
        self.show(self._seen)

    def _begin(self) -> None:
        """With what there is: when that is another one, and not what somebody is typing."""
        policy, name = self._current(), self.application.value
        found = self._seen.application(name)
        linked = found["linked_models"] if found else []
        begun = name, policy, [*linked, *self._added]
        if begun == self._loaded:
            return
        before, self._loaded = self._loaded, begun
        if before is not None and before[:2] != begun[:2] and before[0] == name:
            self._added = []
        chosen: dict[str, float] = {}
        if isinstance(policy, Split):
            chosen = dict(policy.weights)
        elif isinstance(policy, Vote):
            fixed = {} if policy.weights == "learned" else policy.weights
            chosen = {arm: fixed.get(arm, 1.0) for arm in policy.arms}
        arms = list(dict.fromkeys([*chosen, *linked, *self._added]))
        is_new = before is None or before[:2] != begun[:2]
        if is_new:
            self.kind.value = _kind(policy)
            if isinstance(policy, Learner):
                self.learner.show(policy, linked)
            self.cascade.show(policy if isinstance(policy, Cascade) else None, linked)
            self.sticky.value = isinstance(policy, Split) and policy.sticky is not None
            vote = policy if isinstance(policy, Vote) else Vote([])
            self.min_confidence.value, self.early.value = vote.min_confidence, vote.early
            self.missing.value, self.learned.value = vote.missing == "mean", vote.weights == "learned"
        self._show_shares(arms, chosen if isinstance(policy, Split) else {}, is_new)
        kept = {} if is_new else self.members.weights()
        votes = dict.fromkeys(arms, 1.0) if is_new and not isinstance(policy, Vote) else {**chosen, **kept}
        self.members.show({arm: votes.get(arm, 1.0 if arm in self._added else None) for arm in arms})

    def _show_shares(self, arms: list[str], weights: dict[str, float], is_new: bool) -> None:
        kept = {} if is_new else dict(zip(self.shares.names, self.shares.shares, strict=False))
        shares = [100 * weights.get(arm, 0.0) if is_new else kept.get(arm, 0.0) for arm in arms]
        if arms and abs(sum(shares) - 100) > 1e-6:
            shares = [100.0, *[0.0] * (len(arms) - 1)]  # of the first one, which answers alone
        with self.shares.hold_sync():
            self.shares.shares, self.shares.names = [round(share, 6) for share in shares], arms

    def _offer(self) -> None:
        """Versions that could be arms, too."""
        found = self._seen.application(self.application.value)
        linked = found["linked_models"] if found else []
        ready = [
            f"{version['model_name']}:{version['model_version']}"
            for model in linked
            for version in self._seen.versions_of(model)
            if version["state"] == "ready"
        ]
        options = [name for name in ready if name not in self.members.has]
        choose(self.another, options or [NONE])
        self.add.disabled = not options
        set_value(self.why_none, "" if options else "<small>no other version is ready</small>")

    def _on_kind(self) -> None:
        of = {FIRST: [self._first], SPLIT: [self._split, self._more], VOTE: [self._vote, self._more]}
        of |= {CASCADE: [self.cascade], LEARNS: [self.learner]}
        self._form.children = of[self.kind.value]
        self.set_policy.renew()

    def _on_add(self) -> None:
        if self.another.value != NONE:
            self._added.append(self.another.value)
            self.show(self._seen)

    def _line(self) -> str:
        name = self.application.value
        if not name:
            raise BadRequest("There is no application yet.")
        policy = self.policy()
        if policy == self._current():
            raise BadRequest("It has this policy already.")
        why = f", message={self.message.value!r}" if self.message.value else ""
        return f"from clipperlab import policies as P\nconn.set_policy({name!r}, {in_python(policy)}{why})"

    def _set(self) -> Do:
        name, policy, message = self.application.value, self.policy(), self.message.value
        self.message.value = ""
        return lambda: self._conn.set_policy(name, policy, message)


def _kind(policy: Policy | None) -> str:
    if policy is None or isinstance(policy, First):
        return FIRST
    if isinstance(policy, Learner):
        return LEARNS
    if isinstance(policy, Cascade):
        return CASCADE
    return SPLIT if isinstance(policy, Split) else VOTE


def _in_words(linked: list[str], policy: dict[str, Any] | None) -> str:
    if not linked:
        return "No model answers: link one first."
    is_first = policy is None and len(linked) > 1
    words = f"the first linked model, {linked[0]}" if is_first else answered_by(linked, policy)
    return f"Answered by <b>{html.escape(words)}</b>."


def in_python(policy: Policy) -> str:
    """As one writes it, with `policies` as P: what is as it is by default is left out."""
    match policy:
        case First():
            return "P.First()"
        case Split(weights, sticky):
            return f"P.Split({dict(weights)!r}{', sticky=' + repr(sticky) if sticky else ''})"
        case Vote(arms, weights, least, early, missing, forget):
            options = [
                f"weights={_plain(weights)!r}" if weights else "",
                f"min_confidence={least:g}" if least else "",
                "early=True" if early else "",
                f"missing={missing!r}" if missing != "leave out" else "",
            ]
            if forget != Vote([]).forget:
                options.append(f"forget={forget:g}")
            return f"P.Vote({', '.join([repr(list(arms)), *filter(None, options)])})"
        case Cascade(arms, below, rule):
            by = f", rule={rule!r}" if rule != "field" else ""
            return f"P.Cascade({list(arms)!r}, below={below:g}{by})"
        case _:
            usual = {each.name: each.default for each in fields(policy)}
            told = [f"{name}={value!r}" for name, value in asdict(policy).items() if value != usual[name]]
            return f"P.{type(policy).__name__}({', '.join(told)})"


def _plain(weights: Mapping[str, float] | Literal["learned"]) -> dict[str, float] | str:
    return "learned" if weights == "learned" else dict(weights)
