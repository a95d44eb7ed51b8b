"""What is known of feedback, in Prometheus's format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from .counts import Counts
from .tables import Published

_FAMILIES = {
    "clipper_feedback_joined_total": ("counter", "Queries of which feedback came"),
    "clipper_feedback_duplicates_total": ("counter", "Feedback for queries that had some"),
    "clipper_feedback_expired_total": ("counter", "Feedback that came after its window"),
    "clipper_feedback_forgotten_contexts_total": ("counter", "Contexts that had to make room for others"),
    "clipper_feedback_without_default_total": (
        "counter",
        "Decisions with no room to wait for a default reward",
    ),
    "clipper_feedback_contexts": ("gauge", "Contexts of which something is known"),
    "clipper_feedback_join_ratio": ("gauge", "Queries of which feedback came, of those decided"),
    "clipper_feedback_decisions_total": ("counter", "How often a version was chosen"),
    "clipper_feedback_rewards_total": ("counter", "How often a version was rewarded"),
    "clipper_feedback_rewards_sum_total": ("counter", "Sum of a version's rewards, each from 0 to 1"),
    "clipper_arm_share": ("gauge", "An arm's probability, or weight, without a context"),
}


def text(counts: Mapping[str, tuple[Counts, int]], published: Published) -> dict[str, str]:
    """The families by name, each with its head; those without series are left out."""
    series: defaultdict[str, list[str]] = defaultdict(list)
    for application, (of, contexts) in sorted(counts.items()):
        whose = f'application="{_escaped(application)}"'
        values: dict[str, float] = {
            "clipper_feedback_joined_total": of.joined,
            "clipper_feedback_duplicates_total": of.duplicates,
            "clipper_feedback_expired_total": of.expired,
            "clipper_feedback_forgotten_contexts_total": of.forgotten,
            "clipper_feedback_without_default_total": of.no_room,
            "clipper_feedback_contexts": contexts,
        }
        if of.decided:
            values["clipper_feedback_join_ratio"] = of.joined / of.decided
        for name, value in values.items():
            series[name].append(f"{name}{{{whose}}} {float(value)}")
        for asked, its in sorted(of.arms.items()):
            model, _, version = asked.partition(":")
            labels = f'{whose},model="{_escaped(model)}",version="{_escaped(version)}"'
            of_version = {
                "clipper_feedback_decisions_total": its.chosen,
                "clipper_feedback_rewards_total": its.times,
                "clipper_feedback_rewards_sum_total": its.reward,
            }
            for name, value in of_version.items():
                series[name].append(f"{name}{{{labels}}} {float(value)}")
        for arm, share in sorted(published.row(application).items()):
            labels = f'{whose},arm="{_escaped(arm)}"'
            series["clipper_arm_share"].append(f"clipper_arm_share{{{labels}}} {share}")
    return {
        name: "\n".join([f"# HELP {name} {about}", f"# TYPE {name} {kind}", *series[name], ""])
        for name, (kind, about) in _FAMILIES.items()
        if name in series
    }


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
