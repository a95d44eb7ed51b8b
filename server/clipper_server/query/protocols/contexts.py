"""What a request says of itself, by which a learner may tell it from others: a short text, or numbers."""

from __future__ import annotations

import msgspec

from clipper_container.errors import BadRequest

from ... import features
from ...features import LARGEST
from ...feedback import MAX_CONTEXT
from ..application import Application
from . import Headers

Given = str | int | list[float] | None
_HEADER = b"x-clipper-context"
_SHOWN = 40  # letters
_list = msgspec.json.Decoder(list[float])


def context(
    application: Application, headers: Headers, given: Given, version: str | None
) -> tuple[str, bytes]:
    """The text, and the numbers as they travel, of which one at least is empty: by a field or by a header.
    For a version that the request names nobody needs any numbers.
    """
    if application.features:
        return "", b"" if version is not None else numbers(application, headers, given)
    return (text(headers, given), b"") if application.asks_for_contexts else ("", b"")


def text(headers: Headers, given: Given) -> str:
    """Empty without one."""
    found = _said(headers, given)
    if found is None:
        return ""
    if isinstance(found, list):
        raise BadRequest(
            f"A context of {len(found)} numbers is for an application whose policy is "
            f"P.LinTS(features={len(found)}), and here it is a text of up to {MAX_CONTEXT} bytes."
        )
    if (size := len(found.encode())) > MAX_CONTEXT:
        raise BadRequest(
            f"A context has {MAX_CONTEXT} bytes at most, and this one {size}. Requests that are alike "
            "have the same one; whom a request is for is its unit."
        )
    return found


def numbers(application: Application, headers: Headers, given: Given) -> bytes:
    """As many as the application's policy learns by: of a text as JSON, or with commas between them."""
    found = _said(headers, given)
    if found is None:
        raise _unfit(application, "This query has none.")
    if isinstance(found, str):
        try:
            found = _list.decode(found) if found[:1] == "[" else [float(each) for each in found.split(",")]
        except ValueError:
            shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
            raise _unfit(application, f"This one is {shown!r}.") from None
    if len(found) != application.features:
        raise _unfit(application, f"This one has {len(found)}.")
    if not features.are_good(found):
        wrong = next(number for number in found if not features.are_good([number]))
        raise _unfit(application, f"This one has {wrong:g} among them.")
    return features.pack(found)


def _said(headers: Headers, given: Given) -> str | list[float] | None:
    if given is None:
        header = headers.get(_HEADER)
        return None if header is None else header.decode("utf-8", "replace")
    return given if isinstance(given, list) else str(given)


def _unfit(application: Application, why: str) -> BadRequest:
    count = application.features
    return BadRequest(
        f"{application.name} chooses by the numbers of a query, for its policy has features={count}: give "
        f'{count} from -{LARGEST:g} to {LARGEST:g} as the "context" [{"0.5" if count == 1 else "0.5, ..."}], '
        f"or with commas in the header X-Clipper-Context. {why}"
    )
