"""Checks of lesson 09, on a web application around a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from . import Checked, NotYet, check

PATIENCE_S = 5.0
ENOUGH_CORRECTIONS = 20
RIGHT = 0.9
BLANK = [0.0] * 64


@dataclass(frozen=True)
class _Said:
    """As the application's client has it."""

    output: Any
    version: str
    query_id: int = 0
    took_ms: float = 1.0
    reason: str = ""
    explanation: str = ""

    @property
    def is_default(self) -> bool:
        return bool(self.reason)


def _prediction(value: Any) -> Any:
    if not hasattr(value, "is_default"):
        raise NotYet("Give what `await client.predict(...)` comes back with.")
    return value


def _ask(url: str, pixels: Sequence[float]) -> dict[str, Any]:
    """What the web application at `url` says. Raises NotYet where it does not answer."""
    import httpx2

    try:
        response = httpx2.post(
            f"{url}predict", json={"pixels": pixels}, timeout=PATIENCE_S, trust_env=False, verify=False
        )
    except httpx2.TransportError as error:
        raise NotYet(f"The web application at {url} does not answer ({error}).") from error
    if response.status_code != 200:
        raise NotYet(f"It answers with HTTP status {response.status_code}: {response.text[:200]}")
    said: dict[str, Any] = response.json()
    return said


@check(
    "webapp-running",
    hints=(
        "The value to check is `app.url`, the address of the application that runs.",
        "It needs a model behind it: `conn.link_model_to_app` links one.",
        "`Running(query_url, folder)` starts it, with `query_url` made of `conn.get_query_addr()`.",
    ),
)
def running(wb: Checked, url: str) -> None:
    said = _ask(url, BLANK)
    if said["digit"] is None:
        raise NotYet(f"It answers, but with the default output: {said['explanation']}")


@check(
    "webapp-answers",
    hints=(
        "The first value is a prediction of the model's own, the second one a default output.",
        "An application with no model answers with its default output.",
        '`await Client(query_url, "empty").predict(test_x[0])` is such an answer.',
    ),
)
def answers(wb: Checked, own: Any, default: Any) -> None:
    if _prediction(own).is_default:
        raise NotYet(f"The first one is a default output: {own.explanation}")
    if not _prediction(default).is_default:
        raise NotYet("The second one is a model's own answer.")
    if wb.conn.why(own.query_id)["answer"] != "answered":
        raise NotYet("The cluster does not know the first one.")


@check(
    "webapp-replaced",
    hints=(
        "Every answer in the list has to be a model's, with HTTP status 200.",
        "Two versions have to be among the answers, and the last one is the version you came back to.",
        "Deploy version 2, wait until it answers, call `conn.rollback`, and wait again. Then stop the loop.",
    ),
)
def replaced(wb: Checked, seen: Sequence[Mapping[str, Any]]) -> None:
    bad = [one for one in seen if one["status"] != 200 or one["digit"] is None]
    if bad:
        raise NotYet(f"{len(bad)} of {len(seen)} were not answered by a model. The first one: {bad[0]}")
    versions = [one["version"] for one in seen]
    moves = sum(one != other for one, other in pairwise(versions))
    if moves < 2:
        raise NotYet(f"The version that answers changed {moves} times; there and back is twice.")


@check(
    "webapp-outage",
    hints=(
        "The first value is an answer from the time without a cluster, the second one from after it.",
        "`conn.stop_all()` takes the cluster away; without `purge` it can come back.",
        "`conn.start_clipper()` brings it back, with everything that was deployed.",
    ),
)
def outage(wb: Checked, during: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if during["status"] != 503 or "Traceback" in during["detail"]:
        raise NotYet(f"While the cluster is down, there should be HTTP status 503 and a sentence: {during}")
    if after.get("digit") is None:
        raise NotYet(f"Afterwards there should be a model's answer: {after}")


@check(
    "webapp-corrections",
    hints=(
        "`GET corrections` gives back pictures and digits to train with.",
        "Train with the old pictures and the corrected ones together, and deploy that as a new version.",
        "`np.vstack([train_x, corrected_x])` and `np.append(train_y, corrected_y)` put the two together.",
    ),
)
def corrections(wb: Checked, url: str) -> None:
    import httpx2

    data = httpx2.get(f"{url}corrections", timeout=PATIENCE_S, trust_env=False, verify=False).json()
    known = list(zip(data["pictures"], data["digits"], strict=True))[:40]
    if len(known) < ENOUGH_CORRECTIONS:
        raise NotYet(f"There are {len(known)} corrections. Send {ENOUGH_CORRECTIONS} at least.")
    right = sum(_ask(url, pixels)["digit"] == digit for pixels, digit in known) / len(known)
    if right < RIGHT:
        raise NotYet(f"The current version gets {right:.0%} of the corrected drawings right.")


@check(
    "exercise-webapp-asked",
    hints=(
        "A client is made with the cluster's address and the name of an application.",
        "Its `predict` is a coroutine: it needs `await`.",
        '`async with Client(url, "digits") as client: prediction = await client.predict(pictures[1200])`',
    ),
)
def asked(wb: Checked, prediction: Any) -> None:
    if _prediction(prediction).is_default:
        raise NotYet(f"That is the default output: {prediction.explanation}")
    if wb.conn.why(prediction.query_id)["application"] != "digits":
        raise NotYet("Ask the application `digits`.")


@check(
    "exercise-webapp-sentence",
    hints=(
        "`prediction.is_default` tells the two kinds apart, and `prediction.reason` says why.",
        "For a model's answer the sentence has the output and the version, for a default output neither.",
        'Begin with: if not prediction.is_default: return f"It is a {prediction.output}, says ..."',
    ),
)
def sentence(wb: Checked, function: Callable[[Any], str]) -> None:
    reasons = ("overload", "no_model_linked", "deadline", "model_error")
    own = function(_Said(7, "2"))
    defaults = [function(_Said("nonsense", "2", reason=reason)) for reason in reasons]
    if own != "It is a 7, says version 2.":
        raise NotYet(f"For a 7 of version 2 it says {own!r}.")
    if not all(isinstance(one, str) and one.strip() for one in defaults):
        raise NotYet("It should be a sentence for every reason.")
    if any("nonsense" in one for one in defaults):
        raise NotYet("A default output is no digit: keep it out of the sentence.")
    if len(set(defaults[:3])) < 3:
        raise NotYet("It should differ between overload, no_model_linked, and the others.")


@check(
    "exercise-webapp-second",
    hints=(
        "The forest needs 0.4 s, so within 0.15 s there is a default output, or the exception Unavailable.",
        "`predict` takes `within_s`. Catch Unavailable, and look at `is_default`.",
        'After both: `return await quick.predict(picture)`, where quick is a Client of "digits".',
    ),
)
def second(wb: Checked, prediction: Any) -> None:
    if _prediction(prediction).is_default:
        raise NotYet(f"That is a default output: {prediction.explanation}")
    trace = wb.conn.why(prediction.query_id)
    if trace["application"] != "digits":
        raise NotYet(f"It is an answer of {trace['application']}, for which nobody wanted to wait.")


@check(
    "exercise-webapp-trusted",
    hints=(
        "What is the joke? In every third correction the digit is not that of the picture.",
        "Let a classifier that knows the first thousand pictures say what it sees in each correction.",
        "`KNeighborsClassifier(3).fit(pictures[:1000], digits[:1000]).predict(xs)`, and compare with `ys`.",
    ),
)
def trusted(wb: Checked, positions: Any, given: int) -> None:
    if not isinstance(positions, list | tuple | set):
        raise NotYet("It should be a list of positions.")
    jokes = [i for i in positions if i % 3 == 0]
    if jokes:
        raise NotYet(f"{len(jokes)} of the jokes are still among them.")
    if len(set(positions)) < given // 2:
        raise NotYet(f"Only {len(set(positions))} of {given} are kept, and 40 of them were meant well.")
