"""A query frontend's side of feedback: what it tells with its answers, takes, and brings to management."""

from __future__ import annotations

from collections.abc import Callable

from ...querylog import Record
from .decisions import Decisions
from .outbox import Outbox
from .tokens import Tokens


class Feedback:
    """What all applications of one frontend share of it. `began` is when that began, on its clock. What is to
    be in the query log, `keep` gets.
    """

    def __init__(self, began: float, complain: Callable[[str], None], step: int) -> None:
        self.tokens = Tokens()
        self.decisions = Decisions(step)
        self.outbox = Outbox(began, self.decisions.take, complain)
        self.keep: Callable[[Record], None] = lambda record: None
