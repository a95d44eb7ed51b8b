"""Policies: how applications choose among their models."""

from __future__ import annotations

from ..display.history import PolicyHistory
from ..policies import Policy, as_plain, of_plain
from .attached import Attached


class Policies(Attached):
    """Operations on the policies of applications."""

    def set_policy(self, app_name: str, policy: Policy, message: str = "") -> None:
        """Let the application choose among its linked models by `policy`.

        `from clipperlab import policies as P` has them: P.First(), P.Split(...), P.Vote(...), P.Cascade(...)
        and those that learn. `message` says why, for the history. Queries that are under way end as they
        began. Raises NotFound; or BadRequest where an arm is not linked or takes other inputs, weights do not
        fit, or an option would do nothing.

        >>> conn.set_policy("digits", P.Split({"digits": 0.9, "bayes": 0.1}), "to see what bayes says")
        """
        self._management.set_policy(app_name, as_plain(policy), message)

    def get_policy(self, app_name: str) -> Policy:
        """How the application chooses among its linked models. Raises NotFound.

        >>> conn.get_policy("digits")
        First()
        """
        return of_plain(self._management.policy(app_name)["policy"])

    def get_policy_history(self, app_name: str) -> PolicyHistory:
        """Who gave the application which policy, when and why; the last one at the end. Raises NotFound.

        >>> conn.set_policy("digits", P.Vote(["digits", "bayes"]), "two know more")
        >>> conn.get_policy_history("digits")[-1]["message"]
        'two know more'
        """
        return PolicyHistory(self._management.policy(app_name)["history"])
