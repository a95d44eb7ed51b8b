"""Feedback: how good an answer was, told later; and what is learned of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .. import rows
from ..display import Shown, workbench
from ..display.learned import Learned
from ..feedback import Answered, feedback_of
from .views import Views


class Feedback(Views):
    """Operations on feedback."""

    def collect_feedback(
        self,
        app_name: str,
        *,
        window_s: float = 3600.0,
        default_reward: float | None = None,
        score: Literal["equal", "within", "distance"] = "equal",
        tolerance: float = 0.0,
        sample: float = 1.0,
        inputs: bool = False,
    ) -> None:
        """Give each of the application's answers a token, `feedback_token`, and take feedback for it.

        It is taken for `window_s` seconds after the answer. A label is made a reward by `score`: 1 where the
        output is "equal" to it, else 0; 1 where both differ by `tolerance` at most ("within"); or 1 less
        their "distance" in parts of the tolerance, and 0 beyond it. With a `default_reward` an answer of
        which nobody has said anything until the window's end counts as that. The query log keeps the part
        `sample` of the decisions, as far as it has room, for `decisions` and `evaluate`; with `inputs` also
        what was asked, where that takes 4 kB at most. A policy that learns collects feedback without being
        told. Raises NotFound or BadRequest.

        >>> conn.collect_feedback("digits", window_s=600)
        >>> "feedback_token" in conn.application("digits").predict(X[0])
        True
        """
        self._management.set_feedback(
            app_name,
            {
                "window_s": window_s,
                "default_reward": default_reward,
                "score": score,
                "tolerance": tolerance,
                "sample": sample,
                "inputs": inputs,
            },
        )

    def stop_feedback(self, app_name: str) -> None:
        """Take none any more. What was learned stays. Raises NotFound; BadRequest where a policy needs it.

        >>> conn.collect_feedback("digits")
        >>> conn.stop_feedback("digits")
        """
        self._management.set_feedback(app_name, None)

    def feedback(
        self,
        app_name: str,
        answer: Answered | Sequence[Answered],
        *,
        reward: float | Sequence[float] | None = None,
        label: Any = None,
        input: Any = None,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Say how good an answer was: by a `reward` from 0 to 1, or by the `label` that was right.

        `answer` is what `predict` gave, or its query id or feedback_token, or a list of them with a list of
        rewards or labels.
        An output that is not small does not travel in the token: a label for it needs the `input`, for
        which the model is asked again, through the cache. With `wait` this returns when all is written
        where it outlives everything; else when the query frontend has it. Returns how many were `accepted`,
        and which of several were `refused`: their index, a code and a sentence. What is given twice counts
        once. Raises BadRequest where nothing was accepted, with the reason; NotFound; or ClusterError.

        >>> conn.collect_feedback("digits")
        >>> answers = conn.application("digits").predict(X[:3])
        >>> conn.feedback("digits", answers, label=y[:3])
        {'accepted': 3, 'refused': []}
        """
        from ..asking import ask

        url = f"http://{self._record.query}/{app_name}/feedback{'?wait=true' if wait else ''}"
        if input is not None:
            kind = self._management.application(app_name)["input_type"]
            one = isinstance(answer, Mapping | int | str)
            input = rows.one(kind, input) if one else [rows.one(kind, each) for each in input]
        body = feedback_of(answer, reward, label, input)
        return ask(url, body)

    def learned(self, app_name: str) -> Learned:
        """What is known of each arm by feedback, by context. Raises NotFound.

        >>> conn.set_policy("digits", P.Thompson())
        >>> learned = conn.learned("digits")
        >>> learned.application
        'digits'
        """

        def view() -> Shown:
            shown: Shown = self._viewing.begin(workbench("views").LearnedView(self, app_name))
            return shown

        self._management.application(app_name)
        return Learned(self._management, app_name, view)
