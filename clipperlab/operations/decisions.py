"""Decisions: which arm each query got, and what another policy would have got for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from clipper_container.errors import BadRequest

from ..policies import Policy, shares
from .models import Models

if TYPE_CHECKING:
    import pandas

    from ..evaluation import Estimate, Estimator

MOST = 100_000


class Decisions(Models):
    """Operations on decisions."""

    def decisions(self, app_name: str, limit: int = 10_000) -> pandas.DataFrame:
        """The last decisions that the query log has, 100,000 at most, the oldest first: one a row.

        `arm` is the version that answered, as model:version, with the `propensity` that it had; a vote has a
        row for each of its arms. `reward` is what feedback said of it, and missing where that said nothing.
        `ms` is from the request to its answer. Where `collect_feedback(inputs=True)` has kept inputs there is
        a column `input`, with None for one that was larger than 4 kB. Needs pandas. Raises NotFound.

        >>> found = conn.decisions("digits")
        >>> list(found.columns)
        ['at', 'query_id', 'context', 'arm', 'propensity', 'reward', 'ms', 'sample']
        """
        import pandas

        rows = [
            {**decision, "arm": arm, "reward": dict(decision["rewards"] or []).get(arm)}
            for decision in self._management.decisions(app_name, limit, inputs=True)
            for arm in decision["arms"]
        ]
        columns = ["at", "query_id", "context", "arm", "propensity", "reward", "ms", "sample"]
        if any(row["input"] is not None for row in rows):
            columns.append("input")
        found = pandas.DataFrame(rows, columns=columns)
        found["at"] = pandas.to_datetime(found["at"], unit="s").dt.round("ms")
        found["reward"] = found["reward"].astype(float)
        return found

    def evaluate(self, app_name: str, policy: Policy, *, estimator: Estimator = "snips") -> Estimate:
        """What reward a query would have had under a policy that never ran, by decisions that were made.

        The policy is a P.Split, or P.First(); `estimator` is "ips", "snips" or "dr". The interval holds
        however often one looks, and how many decisions the estimate is worth says how far to trust it. Only
        decisions with feedback count, so what it says is of queries that get some. Raises NotFound; or
        BadRequest where nothing is known of an arm that the policy would ask, or where arms voted.

        >>> estimate = conn.evaluate("digits", P.Split({"digits": 0.9, "bayes": 0.1}))
        >>> estimate.low <= estimate.value <= estimate.high
        True
        """
        from ..evaluation import estimate

        linked = self._management.application(app_name)["linked_models"]
        target = self._by_version(shares(policy, linked))
        every = self._management.decisions(app_name, MOST)
        made = [each for each in every if each["rewards"]]
        if every and not made:
            raise BadRequest(
                f"No decision of {app_name} has a reward yet. Feedback that was sent is there in a second or "
                "two: feedback(..., wait=True) waits until it is written."
            )
        if any(len(each["arms"]) > 1 for each in made):
            raise BadRequest("Its arms have voted, and in a vote nothing is chosen that could be weighed.")
        return estimate(
            [each["arms"][0] for each in made],
            [each["propensity"] for each in made],
            [dict(each["rewards"] or []).get(each["arms"][0], 0.0) for each in made],
            target,
            estimator,
        )

    def _by_version(self, target: Mapping[str, float]) -> dict[str, float]:
        """The same by model:version: a model is its current one."""
        found: dict[str, float] = {}
        for arm, share in target.items():
            version = arm if ":" in arm else f"{arm}:{self.get_current_model_version(arm)}"
            found[version] = found.get(version, 0.0) + share
        return found
