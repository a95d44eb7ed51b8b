"""The bodies of feedback: what is checked before anything is made of it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from clipper_container.errors import BadRequest, TooLarge

from ..protocols import contexts
from ..protocols.json_body import UNREAD, Body, unmarked, unread

MAX_MANY = 1_000
EXPECTED = (
    'Expected JSON: {"feedback_token": "...", "reward": a number from 0 to 1}, or "label" in the place of '
    '"reward", and then perhaps "input"; "query_id" in the place of "feedback_token" at the query '
    f"frontend that answered; or a list of 1 to {MAX_MANY} such objects."
)
EXPECTED_UPDATE = 'Expected JSON: {"input": X, "label": Y}, optionally "context" as it was with the query.'
NOTHING = msgspec.Raw(b"")

T = TypeVar("T")


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """Feedback for one answer."""

    feedback_token: str | None = None
    query_id: int | None = None
    reward: float | None = None
    label: Any = msgspec.UNSET
    input: msgspec.Raw = NOTHING


class _Update(msgspec.Struct, forbid_unknown_fields=True):
    """Clipper's, whose clients also send a `uid`."""

    input: msgspec.Raw
    label: Any
    context: str | int | None = None
    uid: int | None = None


class Update(msgspec.Struct):
    input: msgspec.Raw
    label: Any
    context: str


_entries = msgspec.json.Decoder(Entry | list[Entry])
_update = msgspec.json.Decoder(_Update)


def entries(body: Body) -> tuple[list[Entry], bool]:
    """What is said, and whether it is a list. Raises BadRequest or TooLarge."""
    found = _decoded(_entries, body, EXPECTED)
    if isinstance(found, Entry):
        _check(found, "")
        return [found], False
    if not found:
        raise BadRequest(f"The list is empty: there is nothing to learn of. {EXPECTED}")
    if len(found) > MAX_MANY:
        raise TooLarge(f"The list has {len(found)} objects; {MAX_MANY} is the most. Send them in several.")
    for index, entry in enumerate(found):
        _check(entry, f" at {index} in the list")
    return found, True


def _check(entry: Entry, where: str) -> None:
    if (entry.feedback_token is None) == (entry.query_id is None):
        raise BadRequest(f'Give either "feedback_token" or "query_id"{where}. {EXPECTED}')
    if (entry.reward is None) == (entry.label is msgspec.UNSET):
        raise BadRequest(f'Give either "reward" or "label"{where}. {EXPECTED}')


def update(body: Body) -> Update:
    """Raises BadRequest."""
    found = _decoded(_update, body, EXPECTED_UPDATE)
    return Update(found.input, found.label, contexts.text({}, found.context))


def _decoded(decoder: msgspec.json.Decoder[T], body: Body, expected: str) -> T:
    try:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError as error:
            return decoder.decode(unmarked(body, error))
    except UNREAD as error:
        raise unread(error, body, expected) from None
