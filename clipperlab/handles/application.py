"""One application, with what can be done to it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clipper_container.errors import BadRequest, ClipperException

from .. import rows
from ..display import Displayed, Shown, workbench
from ..display.history import PolicyHistory
from ..display.learned import Learned
from ..display.table import table
from ..display.trace import Trace
from ..display.under_way import under_way
from ..feedback import Answered
from ..operations import Operations
from ..policies import Policy, arms_of

if TYPE_CHECKING:
    import pandas

    from ..evaluation import Estimate, Estimator
    from ..management import Application

# What is said of a whole body, to whoever gave an input alone.
_BODY = re.compile(r'Expected JSON: \{"input": X\}.*?, where X is (.*); optionally .*', re.DOTALL)


class ApplicationHandle(Displayed):
    """An application: `conn.application("digits")`. Shows what it is at the moment.

    >>> app = conn.application("digits")
    >>> app.predict(X[0])["output"]
    0
    """

    def __init__(self, conn: Operations, name: str) -> None:
        self._conn = conn
        self.name = name

    @property
    def info(self) -> Application:
        """All about it. Raises NotFound.

        >>> conn.application("digits").info["linked_models"]
        ['digits', 'bayes']
        """
        return self._conn._management.application(self.name)

    @property
    def url(self) -> str:
        """Where it is asked over HTTP.

        >>> conn.application("digits").url
        'http://127.0.0.1:.../digits/predict'
        """
        return self._conn._url(self.name)

    def predict(
        self,
        input: Any,
        *,
        version: object = None,
        timeout_micros: int | None = None,
        cache: bool = True,
        unit: object = None,
        context: object = None,
    ) -> Any:
        """Ask it one input: its answer, a dictionary as the endpoint gives it.

        An input is a list, an array, a series, a tensor, or whatever else its input type has: of dataframe a
        series or a dictionary, a value for each column; of named a dictionary of arrays. A table, a list of
        those, or an array or list with one dimension more than an input has, is several inputs: the list of
        their answers comes back. Without `cache` the model computes it, also where the answer is known.
        `unit` is whom it is for, to whom a sticky policy sticks; `context`, a text of up to 64 bytes, what a
        policy that learns is to tell apart, or the numbers that P.LinTS weighs. Raises BadRequest where the
        input is not of its type, TooLarge, NotFound, or ClusterError.

        >>> conn.application("digits").predict(X[0])
        {'query_id': ..., 'output': 0, 'default': False}
        >>> [answer["output"] for answer in conn.application("digits").predict(X[:3], version=2)]
        [0, 1, 2]
        """
        if rows.is_plain(input):
            return self._ask({"input": input}, version, timeout_micros, cache, unit, context)
        kind = self.info["input_type"]
        if rows.is_several(kind, input):
            return self._batch(kind, input, version, timeout_micros, cache, unit, context)
        return self._ask({"input": rows.one(kind, input)}, version, timeout_micros, cache, unit, context)

    def predict_batch(
        self,
        inputs: Any,
        *,
        version: object = None,
        timeout_micros: int | None = None,
        cache: bool = True,
        unit: object = None,
        context: object = None,
    ) -> list[dict[str, Any]]:
        """Ask it several inputs in one request: the rows of a table or of an array, or a list of inputs.

        Their answers, in order, each a dictionary as `predict` has it. Raises what that raises.

        >>> [answer["output"] for answer in conn.application("digits").predict_batch(X[:3])]
        [0, 1, 2]
        """
        return self._batch(self.info["input_type"], inputs, version, timeout_micros, cache, unit, context)

    def _batch(
        self,
        kind: str,
        inputs: Any,
        version: object,
        timeout_micros: int | None,
        cache: bool,
        unit: object,
        context: object,
    ) -> list[dict[str, Any]]:
        answer = self._ask(
            {"input_batch": rows.several(kind, inputs)}, version, timeout_micros, cache, unit, context
        )
        found: list[dict[str, Any]] = answer["batch_predictions"]
        return found

    def _ask(
        self,
        fields: dict[str, Any],
        version: object,
        timeout_micros: int | None,
        cache: bool,
        unit: object,
        context: object,
    ) -> dict[str, Any]:
        from ..asking import ask

        if version is not None:
            fields["version"] = str(version)
        if timeout_micros is not None:
            fields["timeout_micros"] = timeout_micros
        if unit is not None:
            fields["unit"] = str(unit)
        if context is not None:
            fields["context"] = _context(context)
        try:
            return ask(self.url, fields, cache=cache)
        except BadRequest as error:
            said = str(error)
            if "`$." not in said or "`$.input" in said:  # of other fields the whole body tells more
                said = _BODY.sub(r"An input is \1.", said)
            raise BadRequest(said) from None

    def link(self, model_name: str) -> None:
        """Have it answered by the model's current version. See `ClipperConnection.link_model_to_app`.

        >>> app = conn.application("digits")
        >>> app.unlink("digits")
        >>> app.link("digits")
        """
        self._conn.link_model_to_app(self.name, model_name)

    def unlink(self, model_name: str) -> None:
        """Undo `link`. See `ClipperConnection.unlink_model_from_app`.

        >>> conn.application("digits").unlink("bayes")
        """
        self._conn.unlink_model_from_app(self.name, model_name)

    @property
    def policy(self) -> Policy:
        """How it chooses among its linked models. Raises NotFound.

        >>> conn.application("digits").policy
        First()
        """
        return self._conn.get_policy(self.name)

    @property
    def policy_history(self) -> PolicyHistory:
        """The policies that it was given, the last one last. See `ClipperConnection.get_policy_history`.

        >>> app = conn.application("digits")
        >>> app.set_policy(P.First(), "one is enough")
        >>> app.policy_history[-1]["message"]
        'one is enough'
        """
        return self._conn.get_policy_history(self.name)

    def set_policy(self, policy: Policy, message: str = "") -> None:
        """Let it choose otherwise. See `ClipperConnection.set_policy`.

        >>> conn.application("digits").set_policy(P.Split({"digits": 0.9, "bayes": 0.1}))
        """
        self._conn.set_policy(self.name, policy, message)

    def feedback(
        self,
        answer: Answered | Sequence[Answered],
        *,
        reward: float | Sequence[float] | None = None,
        label: Any = None,
        input: Any = None,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Say how good an answer was. See `ClipperConnection.feedback`.

        >>> app = conn.application("digits")
        >>> app.set_policy(P.Thompson())
        >>> app.feedback(app.predict(X[0]), label=0)
        {'accepted': 1, 'refused': []}
        """
        return self._conn.feedback(self.name, answer, reward=reward, label=label, input=input, wait=wait)

    def decisions(self, limit: int = 10_000) -> pandas.DataFrame:
        """The last decisions, one a row. See `ClipperConnection.decisions`.

        >>> "propensity" in conn.application("digits").decisions(limit=100)
        True
        """
        return self._conn.decisions(self.name, limit)

    def evaluate(self, policy: Policy, *, estimator: Estimator = "snips") -> Estimate:
        """What a policy that never ran would have got. See `ClipperConnection.evaluate`.

        >>> estimate = conn.application("digits").evaluate(P.First(), estimator="dr")
        >>> estimate.low <= estimate.value <= estimate.high
        True
        """
        return self._conn.evaluate(self.name, policy, estimator=estimator)

    @property
    def learned(self) -> Learned:
        """What is known of each arm by feedback. Raises NotFound.

        >>> app = conn.application("digits")
        >>> app.set_policy(P.Greedy())
        >>> app.learned.arms("no such context")
        {}
        """
        return self._conn.learned(self.name)

    def why(self, query_id: int) -> Trace:
        """The path of a query. See `ClipperConnection.why`.

        >>> app = conn.application("digits")
        >>> app.why(app.predict(X[0])["query_id"])["application"]
        'digits'
        """
        return self._conn.why(query_id)

    def _view(self) -> Shown:
        view: Shown = self._conn._viewing.begin(workbench("views").ApplicationView(self._conn, self.name))
        return view

    def __repr__(self) -> str:
        try:
            return "\n".join(f"{name}: {value}" for name, value in self._rows())
        except ClipperException as error:
            return f"application {self.name}: {error}"

    def _repr_html_(self) -> str:
        try:
            rows = self._rows()
        except ClipperException as error:
            return f"<p>application {html.escape(self.name)}: {html.escape(str(error))}</p>"
        return table(["application", self.name], [[name, value] for name, value in rows])

    def _rows(self) -> list[tuple[str, str]]:
        info = self.info
        changes = under_way(*self._conn._management.last_changes(), arms_of(info))
        return [
            ("application", self.name),
            ("asked at", self.url),
            ("input type", info["input_type"]),
            ("latency objective", f"{info['latency_slo_micros'] / 1000:g} ms"),
            ("default output", _default(info["default_output"])),
            ("under overload", info["on_overload"]),
            ("linked models", ", ".join(info["linked_models"]) or "none: it answers the default output"),
            ("answered by", self._conn._management.policy(self.name)["text"]),
            *(("under way", line) for line in changes),
        ]


def _default(output: Any) -> str:
    """With what it is where nobody gave it, and what to do."""
    unsaid = " (a text, as none was given: set_default_output gives another one)" if output == "None" else ""
    return f"{output!r}{unsaid}"


def _context(given: Any) -> str | list[float]:
    """As the endpoint takes it: numbers, or what is a text. Raises BadRequest."""
    if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
        return str(given)
    try:
        return [float(each) for each in given]
    except (TypeError, ValueError):
        raise BadRequest(f"A context is a text or a list of numbers, and not {given!r}.") from None
