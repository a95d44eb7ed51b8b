"""Label and field selectors, in the text form of requests and in the form of objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .refusals import bad_request
from .resources import Object

Match = Callable[[Object], bool]
_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")


def by_labels(text: str) -> Match:
    """`a=b,c!=d,e in (f, g),h,!i`. Raises Refusal (400)."""
    tests = [_term(term) for term in re.split(r",(?![^(]*\))", text) if term.strip()]
    return lambda thing: all(test(thing["metadata"].get("labels") or {}) for test in tests)


def _term(term: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(term):
        key, kind, values = found[1], found[2], {value.strip() for value in found[3].split(",")}
        if kind == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    for sign in ("!=", "==", "="):
        key, found_sign, value = (part.strip() for part in term.partition(sign))
        if found_sign:
            if sign == "!=":
                return lambda labels: labels.get(key) != value
            return lambda labels: labels.get(key) == value
    key = term.strip()
    if not re.fullmatch(r"!?[\w./-]+", key):
        raise bad_request(f"unable to parse requirement: {term!r}")
    if key.startswith("!"):
        return lambda labels: key[1:] not in labels
    return lambda labels: key in labels


def by_fields(text: str) -> Match:
    """`metadata.name=a,status.phase!=b`."""
    tests: list[tuple[list[str], bool, str]] = []
    for term in filter(None, (term.strip() for term in text.split(","))):
        path, sign, value = re.split(r"(!=|==|=)", term, maxsplit=1) if "=" in term else (term, "", "")
        if not sign:
            raise bad_request(f"invalid field selector: {term!r}")
        tests.append((path.split("."), sign != "!=", value))
    return lambda thing: all((_field(thing, path) == value) == wanted for path, wanted, value in tests)


def _field(thing: Object, path: list[str]) -> str:
    value: Any = thing
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def selects(selector: Object | None, labels: dict[str, str] | None) -> bool:
    """A LabelSelector (of a Deployment, say). None selects nothing, an empty one everything."""
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and int(value) > int(values[0])
        case _:
            return value is not None and int(value) < int(values[0])
