"""Cascades: how sure a cheap model has to be to answer alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipper_container.errors import BadRequest

from ..cascades import Rule, compare, confidence_of, find
from ..display.tuned import Tuned
from ..policies import Cascade, arms_of
from .models import Models
from .policies import Policies

WANTED = {
    "field": '{"output": ..., "confidence": 0.9}, the confidence from 0 to 1',
    "max": "a list of probabilities",
}
MOST = 10_000  # pairs
ADVICE = (
    "Pairs are of two versions of one model: deploy the dear model as another version of the cheap one, link "
    "that model, and conn.start_shadow(model, version) collects them while no cascade of both answers."
)


class Cascades(Policies, Models):
    """Operations on cascades."""

    def tune_cascade(self, app_name: str, max_loss: float = 0.01, *, rule: Rule = "field") -> Tuned:
        """Find the confidence from which on a cheap model may answer without the dear one.

        By the last 10,000 pairs of a shadow: what two versions of a model said to the same inputs of this
        application. The dear one is taken to be right, and no more than a part `max_loss` of the answers is
        to be another one, surely (95 %, by one look). Of a cascade that the application has, the order and
        the `rule` hold; else the cheap version is the one that says its confidence, and where both do, the
        one that answers. Nothing is set: set_policy takes the `policy` of what is returned. Raises NotFound;
        or BadRequest where there are no such pairs, or not enough.

        >>> tuned = conn.tune_cascade("digits", max_loss=0.05)
        >>> conn.shadow("digits").stop()
        >>> conn.set_policy("digits", tuned.policy)
        """
        policy = self.get_policy(app_name)
        cascade = policy if isinstance(policy, Cascade) else None
        arms = arms_of(self._management.application(app_name))
        if cascade is not None:
            rule = cascade.rule
        control, shadow, outputs = self._outputs(app_name, arms)
        if cascade is not None:
            versions = [self._version_of(arm) for arm in arms]
            if sorted(versions) != sorted([control, shadow]):
                of = ", ".join(arms)
                raise BadRequest(f"The pairs are of {control} and {shadow}, the cascade is of {of}. {ADVICE}")
            is_turned = versions[0] == shadow
        else:
            said = [confidence_of(outputs[0][side], rule) is not None for side in (0, 1)]
            is_turned = said == [False, True]
        if is_turned:
            control, shadow = shadow, control
            outputs = [(after, before) for before, after in outputs]
        if all(confidence_of(cheap, rule) is None for cheap, _ in outputs):
            raise BadRequest(
                f"{control} does not say how sure it is: it is to return {WANTED[rule]}. The rule is {rule}."
            )
        found = [each for cheap, dear in outputs if (each := compare(cheap, dear, rule)) is not None]
        best = find(found, max_loss)
        tuned = Cascade(arms if cascade is not None else [control, shadow], best.below, rule)
        return Tuned(app_name, tuned, len(found), best)

    def _outputs(self, app_name: str, arms: Sequence[str]) -> tuple[str, str, list[tuple[Any, Any]]]:
        """The version that answered, its shadow, and what both said, the newest first."""
        models = dict.fromkeys(arm.partition(":")[0] for arm in arms)
        model, shadow = next(
            ((model, all_[-1]) for model in models if (all_ := self._management.shadows(model))), ("", None)
        )
        if shadow is None:
            raise BadRequest(f"No model that answers for {app_name} has had a shadow. {ADVICE}")
        pairs = [
            pair
            for pair in self._management.shadow_pairs(model, MOST, False)
            if pair["application"] == app_name and "output" in pair["before"] and "output" in pair["after"]
        ]
        name = f"{model}:{shadow['version']}"
        if not pairs:
            raise BadRequest(
                f"There are no pairs of {name} for {app_name} yet that have the outputs of both. They come "
                "with queries; outputs above 4 kB are not kept."
            )
        control: str = pairs[0]["control"]
        outputs = [
            (pair["before"]["output"], pair["after"]["output"])
            for pair in pairs
            if pair["control"] == control
        ]
        return control, name, outputs

    def _version_of(self, arm: str) -> str:
        return arm if ":" in arm else f"{arm}:{self.get_current_model_version(arm)}"
