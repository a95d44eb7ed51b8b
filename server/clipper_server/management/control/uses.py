"""Which models use which: never in a circle, and never without one that is used."""

from __future__ import annotations

from clipper_container.credits import MAX_CONCURRENCY
from clipper_container.errors import BadRequest
from clipper_container.near import meant

from ...snapshot import MAX_DEPTH
from ..state import State, Version


def check_version(state: State, version: Version) -> None:
    """Raises BadRequest where it declares what cannot be."""
    if not 1 <= version.concurrency <= MAX_CONCURRENCY:
        raise BadRequest(
            f"concurrency is how many batches a replica works on at once, from 1 to {MAX_CONCURRENCY}, and "
            f"is {version.concurrency}."
        )
    if len(set(version.uses)) < len(version.uses):
        raise BadRequest("A model is in uses twice. Name each once.")
    known = {found.model for found in state.versions() if found.state != "failed"}
    for model in version.uses:
        if model not in known and model != version.model:
            raise BadRequest(
                f"{version} uses {model}, and there is no such model.{meant(model, known)} Deploy that "
                f"first; models: {', '.join(sorted(known)) or 'none yet'}."
            )
    staged = [model for stage in version.stages for model in stage]
    if not all(version.stages) or (version.stages and sorted(staged) != sorted(version.uses)):
        raise BadRequest(
            f"stages name all models that {version} uses, each once, in the order in which they are called: "
            f"{version.stages} are not {version.uses}."
        )
    if (why := circle(state, version)) is not None:
        raise BadRequest(why)


def circle(state: State, version: Version) -> str | None:
    """Why it may not be current: models would use one another in a circle, or too deeply."""
    if not version.uses:
        return None
    uses = _uses(state)
    uses[version.model] = uses.get(version.model, set()) | set(version.uses)
    if (path := _back(uses, version.model)) is not None:
        way = " → ".join(path)
        return f"{version} cannot be current: models would use one another in a circle, {way}."
    users: dict[str, set[str]] = {}
    for user, used in uses.items():
        for model in used:
            users.setdefault(model, set()).add(user)
    path = [*reversed(_longest(users, version.model, {})), *_longest(uses, version.model, {})[1:]]
    if len(path) > MAX_DEPTH + 1:
        return (
            f"{version} cannot be current: models would use one another {len(path) - 1} deep, "
            f"{' → '.join(path)}. {MAX_DEPTH} is the most."
        )
    return None


def is_used(state: State, model: str) -> bool:
    """Whether a version that answers, or is about to, calls its current one."""
    return any(model in used for used in _uses(state).values())


def users_of(state: State, model: str) -> list[str]:
    """The versions that use it, as model:version."""
    return [str(found) for found in state.versions() if found.state != "failed" and model in found.uses]


def check_remove(state: State, version: Version) -> None:
    """Raises BadRequest where it answers for a model that another one uses."""
    users = [user for user in users_of(state, version.model) if user != str(version)]
    if users and state.current().get(version.model) == version.version:
        those, use = ("those", "use") if len(users) > 1 else ("that", "uses")
        raise BadRequest(
            f"{version} answers {', '.join(users)}, which {use} {version.model}: remove {those} first, or "
            "make another version current, with set_model_version."
        )


def _uses(state: State) -> dict[str, set[str]]:
    """By model, what is used by the versions of it that answer, or are about to."""
    current = state.current()
    canaries = {(rollout.model, rollout.canary) for rollout in state.live_rollouts()}
    found: dict[str, set[str]] = {}
    for version in state.versions():
        answers = current.get(version.model) == version.version
        comes = version.state == "starting" and version.make_current
        if version.uses and (answers or comes or (version.model, version.version) in canaries):
            found.setdefault(version.model, set()).update(version.uses)
    return found


def _back(uses: dict[str, set[str]], model: str) -> list[str] | None:
    """The shortest way from it to itself; None where there is none."""
    ways = [[model]]
    seen: set[str] = set()
    for way in ways:
        for used in sorted(uses.get(way[-1], ())):
            if used == model:
                return [*way, model]
            if used not in seen:
                seen.add(used)
                ways.append([*way, used])
    return None


def _longest(graph: dict[str, set[str]], model: str, known: dict[str, list[str]]) -> list[str]:
    """The longest way that begins with it, in a graph without a circle."""
    if model not in known:
        ways = [_longest(graph, each, known) for each in sorted(graph.get(model, ()))]
        known[model] = [model, *max(ways, key=len, default=[])]
    return known[model]
