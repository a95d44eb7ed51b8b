"""`clipperlab policy`."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from clipper_container.errors import BadRequest

from .. import policies as P
from ..display.history import PolicyHistory
from .app import DEFAULT, Application, AsJson, ClusterName, Message, command, connect, console, print_json


@command("policy digits --split bayes=0.9,svm=0.1 --sticky")
def policy(
    application: Application,
    split: Annotated[str | None, typer.Option(help="Shares, which sum up to 1: bayes=0.9,svm:2=0.1.")] = None,
    sticky: Annotated[
        bool, typer.Option("--sticky", help="The same arm for all requests of a unit.")
    ] = False,
    vote: Annotated[
        str | None, typer.Option(help="All of these are asked, and vote: bayes,svm,cnn, or bayes=1,svm=2.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(help="Below it the default output answers: a share of the weight.")
    ] = 0.0,
    early: Annotated[
        bool, typer.Option("--early", help="Answer when the vote cannot change any more.")
    ] = False,
    missing: Annotated[
        Literal["leave out", "mean"],
        typer.Option(help="What becomes of a number that is missing at the objective: leave out, or mean."),
    ] = "leave out",
    cascade: Annotated[
        str | None, typer.Option(help="One after the other, until one is sure: small,large. Needs --below.")
    ] = None,
    below: Annotated[
        float | None, typer.Option(help="The confidence below which a cascade goes on: 0.9.")
    ] = None,
    rule: Annotated[
        Literal["field", "max"], typer.Option(help="Where a cascade finds it: a field, or max.")
    ] = "field",
    learn: Annotated[
        Literal["greedy", "ucb", "thompson", "exp3", "lints"] | None,
        typer.Option(
            help="Learn of feedback which linked model is best: greedy, ucb, thompson, exp3 or lints."
        ),
    ] = None,
    features: Annotated[
        int | None, typer.Option(help="How many numbers a query says of itself, for --learn lints.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Among these, for --learn: bayes,svm:2. By default all that are linked."),
    ] = None,
    explore: Annotated[
        float | None, typer.Option(help="The part of the queries that a learner spreads over all arms.")
    ] = None,
    forget: Annotated[
        float | None, typer.Option(help="The part of what was learned that each feedback makes forgotten.")
    ] = None,
    c: Annotated[float | None, typer.Option(help="How much --learn ucb gives to what is uncertain.")] = None,
    eta: Annotated[float | None, typer.Option(help="The rate at which --learn exp3 learns.")] = None,
    learned: Annotated[
        bool, typer.Option("--learned", help="The vote's weights are learned of feedback.")
    ] = False,
    first: Annotated[bool, typer.Option("--first", help="The first linked model answers.")] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show or set how an application chooses among its models: a split, a vote, a cascade, or by learning."""
    conn = connect(cluster_name)
    given = sum((split is not None, vote is not None, cascade is not None, learn is not None, first))
    if given > 1:
        raise BadRequest("Give one of --split, --vote, --cascade, --learn and --first.")
    if (cascade is None) != (below is None) or (rule != "field" and cascade is None):
        raise BadRequest("--cascade needs --below, and --below and --rule are options of --cascade.")
    if sticky and split is None:
        raise BadRequest("--sticky is an option of --split.")
    if (min_confidence or early or learned or missing != "leave out") and vote is None:
        raise BadRequest("--min-confidence, --early, --learned and --missing are options of --vote.")
    if (learn == "lints") != (features is not None):
        raise BadRequest("--learn lints needs --features, how many numbers a query says, and only that.")
    told = {"features": features, "explore": explore, "forget": forget, "c": c, "eta": eta}
    options: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if arms is not None:
        options["arms"] = _arms(arms)
    if learn is None and options.keys() - ({"forget"} if learned else set()):
        raise BadRequest("--arms, --explore, --forget, --c and --eta are options of --learn.")
    if split is not None:
        conn.set_policy(
            application, P.Split(weights_of(split, "--split"), "unit" if sticky else None), message
        )
    elif vote is not None:
        weights = weights_of(vote, "--vote") if "=" in vote else {}
        if weights and learned:
            raise BadRequest("The weights of a vote are given, or --learned: leave one of both out.")
        of = [*weights] or _arms(vote)
        kept = P.Vote(of).forget if forget is None else forget
        by: dict[str, float] | Literal["learned"] = "learned" if learned else weights
        conn.set_policy(application, P.Vote(of, by, min_confidence, early, missing, kept), message)
    elif cascade is not None and below is not None:
        conn.set_policy(application, P.Cascade(_arms(cascade), below, rule), message)
    elif learn is not None:
        conn.set_policy(application, _learner(learn, options), message)
    elif first:
        conn.set_policy(application, P.First(), message)
    found = conn._management.policy(application)
    if as_json:
        print_json(found)
    else:
        console().print(f"[bold]{application}[/] is answered by {found['text']}.")
        if not given and found["history"]:
            console().print(Text(repr(PolicyHistory(found["history"])), style="dim"))


def _learner(kind: str, options: dict[str, Any]) -> P.Policy:
    of: Any = P.LEARNERS[kind]
    known = {"explore" if each.name == "eps" else each.name: each.name for each in fields(of)}
    for name in options.keys() - known.keys():
        raise BadRequest(f"--{name} is no option of --learn {kind}: it has {', '.join(known)}.")
    learner: P.Policy = of(**{known[name]: value for name, value in options.items()})
    return learner


def _arms(text: str) -> list[str]:
    return [arm.strip() for arm in text.split(",")]


def weights_of(text: str, option: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        arm, _, weight = part.partition("=")
        try:
            weights[arm.strip()] = float(weight)
        except ValueError:
            raise BadRequest(
                f"{option} is arms with their shares, as bayes=0.9,svm=0.1, and not {text}."
            ) from None
    return weights
