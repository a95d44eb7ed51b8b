"""Policies: how applications choose among their models."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from fastapi import APIRouter
from pydantic import Field

from clipper_container.errors import BadRequest
from clipper_container.near import meant

from ...policies import KINDS, PolicySpec, in_words
from ..control import Control, find
from . import answers, openapi
from .bodies import Body
from .parameters import Who


class NewPolicy(Body):
    """`kind` is split, vote, cascade, greedy, ucb, thompson, exp3 or lints, beside its options; null: the
    first linked model answers.
    """

    policy: dict[str, Any] | None
    message: str = Field(default="", max_length=2000)


class Policies:
    def __init__(self, control: Control) -> None:
        self._control = control

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/applications/{name}/policy", self.policy, 200),
            ("PUT", "/applications/{name}/policy", self.set_policy, 200),
        )

    async def policy(self, name: str) -> answers.Policy:
        """How the application chooses among its models, and who made it so, when and why."""
        spec = find.application(self._control.state, name).policy
        history = self._control.policies.history(name)
        return {
            "policy": msgspec.to_builtins(spec),
            "text": in_words(spec),
            "history": [msgspec.to_builtins(move) for move in history],
        }

    async def set_policy(self, name: str, new: NewPolicy, x_clipper_who: Who = "") -> answers.Policy:
        """Let it choose otherwise, for the queries that come from now on."""
        try:
            spec = msgspec.convert(new.policy, PolicySpec | None)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}. {_what_fits(new.policy)}") from None
        await self._control.policies.set(name, spec, x_clipper_who, new.message)
        return await self.policy(name)


def _what_fits(policy: dict[str, Any] | None) -> str:
    """The options of a policy of that kind, with their values where these are a few; or the kinds."""
    kind = (policy or {}).get("kind")
    found = KINDS.get(kind) if isinstance(kind, str) else None
    if policy is None or found is None:
        return f"A policy has a `kind`, {_or(list(KINDS))}.{meant(str(kind), KINDS)}"
    options = []
    for field in msgspec.structs.fields(found):
        values = _values(field.type)
        if field.name != "salt":
            options.append(f"`{field.name}`{f' ({_or(values)})' if values else ''}")
    names = [field.name for field in msgspec.structs.fields(found)]
    near = "".join(meant(name, names) for name in policy if name not in ("kind", *names))
    return f"A policy of the kind {kind} has {', '.join(options)}.{near}"


def _values(kind: Any) -> list[str]:
    """Those that an option may have, as JSON has them; none where there are more than a few."""
    choices = [kind] if get_origin(kind) is Literal else get_args(kind)
    literals = [value for choice in choices if get_origin(choice) is Literal for value in get_args(choice)]
    if not literals:
        return []
    return [msgspec.json.encode(value).decode() for value in literals] + ["null"] * (NoneType in choices)


def _or(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
