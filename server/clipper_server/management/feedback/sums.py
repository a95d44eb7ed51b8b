"""What all feedback adds up to: each query's once, in whatever order and however often it comes."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ... import features
from ...feedback import UNIT, Decided, Delivery, Item, Receipt, Row
from ..learning import kinds, probing
from ..learning.memory import LEAST_PROPENSITY, Arm
from .context import Context
from .counts import Counts
from .database import Database
from .database import Decided as Key
from .known import Known, Learned, coefficients_of, row_of
from .plan import Plan
from .regret import Regret
from .sides import Sides

MAX_CONTEXTS = 10_000
"""Of an application."""
MAX_UNANSWERED = 100_000
"""Seconds of an arm in a context that wait for the end of their window, of an application."""
GRACE_S = 10.0
"""For what frontends took within the window, and had no time to bring."""
KEEP_TAKEN_S = 7 * 86400.0
ROWS_S = 0.02
"""Of the processor, that rows may cost at a time: others wait for the next."""
MAX_DRAWN = 4
"""Of these rows with draws, which are up to 256 KiB each."""
DRAWN_EVERY_S = 1.0
"""At most, of one application."""


class Sums:
    """Used by one thread. What one call changes is written in one transaction; where that fails, nothing has
    changed. `clock` is in seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._db = Database(path)
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._drawn: dict[str, float] = {}  # when each application's draws were made
        self.sides = Sides()
        self.failed: dict[str, tuple[str, Exception]] = {}
        self._regrets: dict[str, Regret] = {}
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def _load(self) -> None:
        """All that the file has."""
        self._contexts: defaultdict[str, OrderedDict[str, Context]] = defaultdict(OrderedDict)
        self._used = 0
        self.due: dict[tuple[str, str], None] = {}  # contexts of which there is to be a new row
        for application, name, used, context in self._db.contexts():
            self._contexts[application][name] = context
            self._used = used
            if context.row_at != context.memory.updates:
                self.due[application, name] = None
        self._counts = self._db.counts()
        self._pages = self._db.pages()
        self._changed: dict[tuple[str, str], None] = {}
        self._counted: set[str] = set()
        self._decided: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
        self._sides = Sides()
        self._judged: defaultdict[str, list[Item]] = defaultdict(list)

    # What the desired state says

    def plan(self, plans: Mapping[str, Plan], applications: Collection[str]) -> None:
        """These applications collect feedback, of those that there are. What is known of others goes."""
        now = self._clock()
        before, self._plans = self._plans, dict(plans)
        for name in [*self._regrets]:
            if name not in plans or (name in before and before[name].policy != plans[name].policy):
                del self._regrets[name]
        with self._written():
            for name in {*self._contexts, *self._counts} - set(applications):
                self._drop(name)
            for name, plan in plans.items():
                counts = self._counts_of(name)
                with_default = plan.feedback.default_reward is not None
                if with_default and counts.since is None:
                    counts.since = now
                elif not with_default and counts.since is not None:
                    counts.since, counts.closed = None, 0
                    self._db.drop_unanswered(name, 1 << 62)
        for name, contexts in self._contexts.items():
            changed = name in before and before[name] != plans.get(name)
            arms = set(plans[name].arms) if name in plans and plans[name].learning else set()
            for context, known in contexts.items():
                if changed or set(known.row) != arms:
                    self.due[name, context] = None

    def forget(self, application: str) -> None:
        """It is not there any more."""
        self._plans.pop(application, None)
        self._regrets.pop(application, None)
        with self._written():
            self._drop(application)

    def _drop(self, application: str) -> None:
        for context in self._contexts.pop(application, ()):
            self.due[application, context] = None
            self._changed.pop((application, context), None)
        self._counts.pop(application, None)
        self._drawn.pop(application, None)
        self._counted.discard(application)
        self._db.drop_application(application)

    # What comes

    def take(self, deliveries: Sequence[tuple[str, Delivery]]) -> list[Receipt]:
        """Those of frontends, by name, in one transaction."""
        with self._written():
            return [self._take(frontend, delivery) for frontend, delivery in deliveries]

    def _take(self, frontend: str, delivery: Delivery) -> Receipt:
        now = self._clock()
        receipt = Receipt([], [], [])
        for i, item in enumerate(delivery.items):
            plan = self._plans.get(item.application)
            if plan is None:
                receipt.unknown.append(i)
                continue
            counts = self._counts_of(item.application)
            taken = (
                None if self._is_late(item, plan, counts, now) else self._pages.take(item.query_id, item.at)
            )
            if taken:
                self._add(item, plan, counts)
            elif taken is None:
                receipt.expired.append(i)
                counts.expired += 1
            else:
                receipt.duplicates.append(i)
                counts.duplicates += 1
        if delivery.number > self._db.taken(frontend, delivery.began):
            for decided in delivery.decided:
                self._count(decided)
            self._db.put_taken(frontend, delivery.began, delivery.number, now, KEEP_TAKEN_S)
        return receipt

    def _is_late(self, item: Item, plan: Plan, counts: Counts, now: float) -> bool:
        return item.at + plan.feedback.window_s + GRACE_S < now or int(item.at) < counts.closed

    def _add(self, item: Item, plan: Plan, counts: Counts) -> None:
        memory = self._context(item.application, item.context, plan, counts).memory
        self.due[item.application, item.context] = None
        by = plan.features and features.count(item.features) == plan.features
        numbers = features.with_constant(item.features) if by else None
        memory.add(item.rewards, item.epoch, plan.eta, plan.forget, numbers)
        counts.joined += 1
        # Of a vote nothing was chosen; and by numbers each query has a best arm of its own.
        chosen = not plan.votes and not plan.features and item.rewards
        if chosen and item.rewards[0].propensity < 1:
            self._judged[item.application].append(item)
        second = int(item.at)
        for arm, propensity, reward, dealt in item.rewards:
            of_arm = counts.arm(arm)
            of_arm.times += 1
            of_arm.reward += reward
            self._sides.rewarded(arm, dealt, reward)
            if counts.since is not None and second >= counts.since:
                unanswered = self._decided[item.application, second, item.context, arm, dealt]
                unanswered[0] -= 1
                unanswered[1] -= round(UNIT / max(propensity, LEAST_PROPENSITY))

    def _count(self, decided: Decided) -> None:
        plan = self._plans.get(decided.application)
        if plan is None:
            return
        counts = self._counts_of(decided.application)
        counts.decided += decided.queries
        counts.arm(decided.arm).chosen += decided.times
        self._sides.answered(decided.arm, decided.dealt, decided.times)
        contexts = self._contexts[decided.application]
        if decided.context in contexts or len(contexts) < MAX_CONTEXTS:  # nothing makes room for these
            memory = self._context(decided.application, decided.context, plan, counts).memory
            memory.arms.setdefault(decided.arm, Arm()).chosen += decided.times
        if counts.since is not None and decided.at >= counts.since:
            key = decided.application, decided.at, decided.context, decided.arm, decided.dealt
            unanswered = self._decided[key]
            unanswered[0] += decided.times
            unanswered[1] += decided.inverse

    def _context(self, application: str, name: str, plan: Plan, counts: Counts) -> Context:
        """That one, which is about to change. For a new one the least recently used may go."""
        contexts = self._contexts[application]
        found = contexts.get(name)
        if found is None:
            found = contexts[name] = Context()
            self.due[application, name] = None
            if len(contexts) > MAX_CONTEXTS:
                gone, _ = contexts.popitem(last=False)
                counts.forgotten += 1
                self.due[application, gone] = self._changed[application, gone] = None
        else:
            contexts.move_to_end(name)
        found.memory.join(plan.active, plan.eta)
        self._changed[application, name] = None
        return found

    def _counts_of(self, application: str) -> Counts:
        self._counted.add(application)
        return self._counts.setdefault(application, Counts())

    # What time makes of it

    def settle(self) -> None:
        """Give default rewards to what nobody spoke of within the window, and drop pages that are past."""
        now = self._clock()
        windows = [plan.feedback.window_s for plan in self._plans.values()]
        with self._written():
            if windows:
                self._pages.drop(now - max(windows) - GRACE_S)
            for name, plan in self._plans.items():
                if plan.feedback.default_reward is not None:
                    end = int(now - plan.feedback.window_s - GRACE_S)
                    self._make_room(name)
                    if self._db.has_unanswered(name, end):
                        self._give_default(name, plan, plan.feedback.default_reward, end)

    def _make_room(self, application: str) -> None:
        """Those that were decided first get no default reward, where too many wait for one."""
        last = self._db.last_without_room(application, MAX_UNANSWERED)
        if last is not None:
            dropped = self._db.unanswered(application, last + 1)
            self._counts_of(application).no_room += sum(times for *_, times, _ in dropped)
            self._db.drop_unanswered(application, last + 1)

    def _give_default(self, application: str, plan: Plan, reward: float, before: int) -> None:
        counts = self._counts_of(application)
        for name, arm, dealt, times, inverse in self._db.unanswered(application, before):
            memory = self._context(application, name, plan, counts).memory
            self.due[application, name] = None
            memory.add_alike(arm, times, inverse, reward, plan.eta, plan.forget)
            of_arm = counts.arm(arm)
            of_arm.times += times
            of_arm.reward += times * reward
            self._sides.rewarded(arm, dealt, reward, times)
        self._db.drop_unanswered(application, before)
        counts.closed = max(counts.closed, before)

    # What is learned of it

    def rows(self, epoch: int, limit: int) -> list[tuple[Row, int, dict[str, float]]]:
        """New rows, of that epoch, for the contexts that have waited longest. With each goes how many updates
        are new in it, and what arms that have failed are asked at least. A context of which none can be made
        keeps the one that it has until there is more of it, and `take_failed` tells.
        """
        found: list[tuple[Row, int, dict[str, float]]] = []
        tried, drawn, end = 0, 0, time.thread_time() + ROWS_S
        for application, name in [*self.due]:
            if len(found) >= limit or (tried and time.thread_time() >= end):
                break
            plan = self._plans.get(application)
            draws = plan is not None and plan.features > 0 and not name
            if draws and (drawn >= MAX_DRAWN or self._drew(application)):
                continue
            tried += 1
            drawn += draws
            del self.due[application, name]
            context = self._contexts[application].get(name) if application in self._contexts else None
            if context is None:
                found.append((Row(application, name, {}), 0, {}))
                continue
            with self._alone(application, name):
                found += self._made(application, name, context, plan, epoch)
        return found

    def _made(
        self, application: str, name: str, context: Context, plan: Plan | None, epoch: int
    ) -> list[tuple[Row, int, dict[str, float]]]:
        """That context's new row; none where it had none and has none."""
        new = context.memory.updates - context.row_at
        weights: dict[str, float] = {}
        least: dict[str, float] = {}
        if plan is not None and plan.learning is not None and not (plan.features and name):
            arms = tuple(plan.arms.values())
            if plan.notices:
                context.memory.notice(self._clock(), plan.eta)
            else:
                context.memory.overlook()
            learned = kinds.learn(plan.learning, context.memory, arms)
            weights = dict(zip(plan.arms, learned, strict=True))
            least = dict(zip(plan.arms, probing.least(context.memory, arms), strict=True))
        made = []
        if weights or context.row:
            made.append((row_of(application, name, weights, context, plan, epoch), new, least))
        if weights:
            context.memory.mark(epoch)
        context.row, context.row_at = weights, context.memory.updates
        return made

    @contextmanager
    def _alone(self, application: str, name: str) -> Iterator[None]:
        """Where no row can be made of that context, others have theirs all the same."""
        try:
            yield
        except Exception as error:
            self.failed.setdefault(application, (name, error))

    def _drew(self, application: str) -> bool:
        """Whether its draws are so new that others have to wait; if not, they are made now."""
        now = self._clock()
        if 0 <= now - self._drawn.get(application, -math.inf) < DRAWN_EVERY_S:
            return True
        self._drawn[application] = now
        return False

    def published(self, plans: Mapping[str, Plan], epoch: int) -> list[Row]:
        """The rows that frontends had of the last management, as far as the file knows them; draws anew."""
        found = []
        for application, contexts in self._contexts.items():
            for name, context in contexts.items():
                if context.row:
                    with self._alone(application, name):
                        plan = plans.get(application)
                        found.append(row_of(application, name, context.row, context, plan, epoch))
        return found

    def learned(self, application: str, most: int = MAX_CONTEXTS) -> Learned:
        """A copy of what is known: of so many contexts at most, those that were used last first."""
        contexts = self._contexts.get(application, OrderedDict[str, Context]())
        plan = self._plans.get(application)
        known = {
            name: Known(
                context.row,
                {arm: replace(of, linear=None) for arm, of in context.memory.arms.items()},
                {} if plan is None or not plan.features or name else coefficients_of(context.memory, plan),
            )
            for name, context in islice(reversed(contexts.items()), most)
        }
        counts = deepcopy(self._counts.get(application, Counts()))
        return Learned(known, counts, self.regrets().get(application))

    def regrets(self) -> dict[str, tuple[float, float]]:
        """Of applications that choose, since they have their policy: what was lost, and would have been by
        choosing among all arms alike.
        """
        return {name: (regret.lost, regret.alike) for name, regret in self._regrets.items()}

    def counts(self) -> dict[str, tuple[Counts, int]]:
        """Of all applications, each with its number of contexts: a copy."""
        return {
            name: (deepcopy(counts), len(self._contexts.get(name, ())))
            for name, counts in self._counts.items()
        }

    def reserve(self, epochs: int) -> int:
        """The first of so many epochs that no table ever had."""
        first = int(self._db.number("epoch", 1.0))
        with self._db.transaction():
            self._db.set_number("epoch", float(first + epochs))
        return first

    def take_sides(self) -> Sides:
        """What has come of sides of rollouts since this was called last."""
        found, self.sides = self.sides, Sides()
        return found

    def take_failed(self) -> dict[str, tuple[str, Exception]]:
        """By application, a context of which no row could be made since this was called last, and why."""
        found, self.failed = self.failed, {}
        return found

    # The transaction

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with self._db.transaction():
                yield
                self._write()
        except BaseException:
            self._load()
            raise
        for name, items in self._judged.items():
            self._regrets.setdefault(name, Regret()).add(items)
        for changes in (self._changed, self._counted, self._decided, self._judged):
            changes.clear()
        self._pages.written()
        self.sides.add(self._sides)
        self._sides = Sides()

    def _write(self) -> None:
        gone: list[tuple[str, str]] = []
        there: list[tuple[str, str, int, Context]] = []
        for application, name in self._changed:
            context = self._contexts[application].get(name)
            if context is None:
                gone.append((application, name))
            else:
                self._used += 1
                there.append((application, name, self._used, context))
        self._db.drop_contexts(gone)
        self._db.put_contexts(there)
        self._db.put_counts((name, self._counts[name]) for name in self._counted)
        self._db.put_pages(self._pages)
        self._db.add_unanswered(self._decided)
