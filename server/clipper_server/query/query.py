"""A query: one request on its way, from its arrival until all of it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from .asked import ask_all
from .feedback.collecting import Collecting
from .ids import Ids
from .metrics import ApplicationMetrics
from .missing import LEFT, told_of_left, why_late
from .parts import Parts
from .policies import Decision, Policy
from .queue import ModelQueue
from .request import Answer, Choice, Reply, Request, choice_of
from .shadows import Sample
from .slices import SMALL, Steps, at_once, let_go
from .task import GONE, NOT_NEEDED, Outcome, Task
from .traces import Chosen, Leg, Trace

AT_ONCE = 64  # of many inputs, so many are a step


class Asked(Protocol):
    """What a query needs of the application that it was sent to."""

    @property
    def name(self) -> str: ...
    @property
    def parts(self) -> Parts: ...
    @property
    def metrics(self) -> ApplicationMetrics: ...
    @property
    def collecting(self) -> Collecting | None: ...

    def unlinked(self) -> Fault:
        """Why no model was asked."""

    def refused(self, fault: Fault) -> str:
        """Count an input that has no output of a model; what it gets."""

    def broken(self) -> Answer:
        """For a query that failed by our own fault."""


class Query:
    """One request on its way: what its inputs wait for, until all is there or the deadline has come.

    What is the same for all of its inputs is done once. One of many inputs is asked and answered in slices.
    """

    __slots__ = (
        *("application", "received_at", "deadline", "finished"),
        *("_protocol", "_policy", "_decision", "_queues", "_inputs"),
        *("_asked", "_missing", "_reply", "_joined", "_samples", "_given"),
    )

    def __init__(
        self,
        application: Asked,
        request: Request,
        policy: Policy,
        decision: Decision,
        queues: list[ModelQueue],
        received_at: float,
        deadline: float,
        reply: Reply,
    ) -> None:
        self.application = application
        self.received_at = received_at
        self.deadline = deadline
        self.finished = False
        self._protocol = request.protocol
        self._policy = policy
        self._decision = decision
        self._queues = queues
        self._inputs = len(request.tensors)
        self._asked: list[list[Task]] = []  # of each queue: a task for each input
        self._missing = 1  # no answer before all has been asked
        self._reply = reply
        self._joined: set[Task] | None = None
        self._samples: list[Sample] | None = None
        collecting = application.collecting
        keeps = collecting is not None and collecting.spec.inputs
        self._given = request.tensors if keeps else None  # as tasks let go of them
        if application.parts.shadows.by_model:
            self._samples = application.parts.shadows.sample(decision, request.tensors)
        if self._inputs <= SMALL:
            if self._inputs:
                self._ask(request, request.tensors)
            self._missing -= 1
            if self._missing:
                application.parts.deadlines.watch(self)
            else:
                self._finish()
        else:
            application.parts.deadlines.watch(self)
            application.parts.slices.add(self._ask_all(request))

    def _ask_all(self, request: Request) -> Steps[None]:
        try:
            for start in range(0, self._inputs, AT_ONCE):
                if self.finished:  # the deadline has come, or the client has gone
                    return
                self._ask(request, request.tensors[start : start + AT_ONCE])
                yield
            self.settled()
        except Exception:
            self.finished = True
            self._give([self.application.broken()])

    def _ask(self, request: Request, tensors: Sequence[Tensor]) -> None:
        cache = self.application.parts.cache
        for place, queue in enumerate(self._queues):
            tasks = ask_all(self, cache, queue, tensors, request.raw, request.cached)
            if place < len(self._asked):
                self._asked[place] += tasks
            else:
                self._asked.append(tasks)

    def awaits(self, tasks: Sequence[Task]) -> None:
        self._missing += len(tasks)

    def joins(self, task: Task) -> None:
        if self._joined is None:
            self._joined = set()
        self._joined.add(task)
        if self not in task.waiters:  # as when one input is there twice
            self._missing += 1
            task.add(self)

    def settled(self, count: int = 1) -> None:
        self._missing -= count
        if self.finished:
            return
        if not self._missing:
            self._finish()
        elif self._policy.early and self._certain():
            self._finish(decided=True)

    def _certain(self) -> bool:
        """Whether what is missing could not change the answer. It then leaves its queues."""
        if self._inputs != 1 or len(self._asked) < len(self._queues):
            return False
        return self._policy.certain(self._decision, [task.outcome for (task,) in self._asked])

    def expire(self) -> None:
        """The deadline has come: answer with what is there."""
        self._finish()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._reply = _no_reply
        if not self.finished:
            self.finished = True
            self.application.metrics.cancelled += self._inputs
            self._at_once_or_in_slices(self._let_go())

    def _finish(self, decided: bool = False) -> None:
        """Answer with what is there. Where that is `decided`, what is missing is not late."""
        self.finished = True
        if self._inputs != 1:
            self._at_once_or_in_slices(self._answer())
            return
        application = self.application
        try:
            now = application.parts.clock()
            query_id = application.parts.ids.take()
            answer, way = self._answer_to(0, query_id, now, decided)
            answers = [answer]
            self._trace(query_id, way, now)
            self._count(now)
        except Exception:  # those that wait for the same outputs have no part in it
            answers = [application.broken()]
        self._give(answers)
        if self._samples is not None:
            self._show(answers)

    def _at_once_or_in_slices(self, work: Steps[None]) -> None:
        if self._inputs <= SMALL:
            at_once(work)
        else:
            self.application.parts.slices.add(work)

    def _answer(self) -> Steps[None]:
        answers: list[Answer] = []
        try:
            now = self.application.parts.clock()
            first = self.application.parts.ids.take(self._inputs)
            for rows in self._in_steps():
                answers += self._answers(rows, first, now)
                yield
            self._count(self.application.parts.clock())
        except Exception:
            answers = [self.application.broken()]
        self._give(answers)
        if self._samples is not None:
            self._show(answers)
        for asked in self._asked:
            yield from let_go(asked)

    def _let_go(self) -> Steps[None]:
        now = self.application.parts.clock()
        first = self.application.parts.ids.take(self._inputs)
        counts = self._policy.choice or bool(self._decision.sides)
        for rows in self._in_steps():
            ways: list[tuple[_Way, int]] = []
            for i in rows:
                tasks = self._tasks_of(i)
                waits = any(task.outcome is None for task in tasks)
                outcomes = [self._outcome(task, now) for task in tasks]
                # As if it were late, and once: it was one client that did not wait, for what was asked.
                if counts and waits and self._asked and i < len(self._asked[-1]):
                    self._chose(tasks, outcomes)
                    counts = False
                said = [told_of_left(task, outcome) for task, outcome in zip(tasks, outcomes, strict=True)]
                _join(ways, (self._legs(tasks, said), LEFT, "cancelled", None))
            self._trace_all(first + rows.start * Ids.STEP, ways, now)
            yield

    def _in_steps(self) -> list[range]:
        return [range(i, min(i + AT_ONCE, self._inputs)) for i in range(0, self._inputs, AT_ONCE)]

    def _count(self, now: float) -> None:
        metrics = self.application.metrics
        metrics.answered += self._inputs
        metrics.latency.observe(now - self.received_at, self._inputs)

    def _give(self, answers: list[Answer]) -> None:
        reply, self._reply = self._reply, _no_reply  # which breaks a cycle
        reply(answers)

    def _show(self, answers: list[Answer]) -> None:
        """To the shadows, what was answered."""
        samples, self._samples = self._samples, None
        if samples and len(answers) == self._inputs:
            asked = [(each, self._task_at(each.row, each.place)) for each in samples]
            said = [answer.query_id for answer in answers]
            application = self.application
            application.parts.shadows.answered(
                asked, said, application.name, self.deadline - self.received_at
            )

    def _task_at(self, i: int, place: int) -> Task | None:
        """What was asked of that arm for this input."""
        asked = self._asked[place] if place < len(self._asked) else []
        return asked[i] if i < len(asked) else None

    def _tasks_of(self, i: int) -> list[Task]:
        """What was asked for this input. At the deadline perhaps nothing was, yet."""
        if self._asked and i < len(self._asked[-1]):
            return [asked[i] for asked in self._asked]
        return [Task(q, GONE, False, self.received_at, self.deadline) for q in self._queues]

    def _answers(self, rows: range, first: int, now: float) -> list[Answer]:
        """For some of the inputs. `first` is the id of the first one of all."""
        answers: list[Answer] = []
        ways: list[tuple[_Way, int]] = []
        i = rows.start
        while i < rows.stop:
            query_id = first + i * Ids.STEP
            count = self._alike(i, rows.stop)
            if count:
                tasks = self._asked[0][i : i + count]
                version, dispatch = self._queues[0].spec.version, tasks[0].dispatch
                partial = dispatch is not None and dispatch.partial
                answers += [
                    Answer(query_id + n * Ids.STEP, task.outcome, None, version, None, None, partial)  # type: ignore[arg-type]
                    for n, task in enumerate(tasks)
                ]
                ways.append(((self._legs(tasks[:1], (b"",)), None, "answered", None), count))
                i += count
            else:
                answer, way = self._answer_to(i, query_id, now)
                answers.append(answer)
                _join(ways, way)
                i += 1
        self._trace_all(first + rows.start * Ids.STEP, ways, now)
        return answers

    def _alike(self, i: int, end: int) -> int:
        """How many inputs, from this one on, went the same way to their outputs, and have these for answers.

        None where more than an output is told of each.
        """
        decision = self._decision
        if len(self._asked) != 1 or self._policy.choice or decision.sides or self._joined:
            return 0
        if self.application.collecting is not None or i >= len(self._asked[0]):
            return 0
        tasks = self._asked[0]
        first = tasks[i]
        dispatch, cache, entered_at, losses = first.dispatch, first.cache, first.entered_at, first.losses
        for at in range(i, min(end, len(tasks))):
            task = tasks[at]
            outcome = task.outcome
            if (
                outcome is None
                or outcome.__class__ is Fault
                or task.dispatch is not dispatch
                or task.cache != cache
                or task.entered_at != entered_at
                or task.losses != losses
            ):
                return at - i
        return min(end, len(tasks)) - i

    def _answer_to(self, i: int, query_id: int, now: float, decided: bool = False) -> tuple[Answer, _Way]:
        application = self.application
        decision = self._decision
        version = ""
        tasks = self._tasks_of(i)
        outcomes = [self._outcome(task, now, decided) for task in tasks]
        choice = token = None
        partial = False
        if not outcomes:
            outcome: Outcome = application.unlinked()
        else:
            outcome, confidence, used, place, partial = self._policy.combine(decision, outcomes)
            version = self._queues[place or 0].spec.version
            if self._policy.choice or decision.sides:
                model = None if place is None else self._queues[place].name
                choice = choice_of(model, confidence, len(outcomes), used)
                agreed = confidence if used and place is None else None
                self._chose(tasks, outcomes, agreed)
            if application.collecting is not None:
                token = application.collecting.answered(
                    query_id,
                    decision,
                    tasks,
                    outcomes,
                    combined=place is None,
                    took_s=now - self.received_at,
                    given=None if self._given is None else self._given[i],
                )
        for task in tasks:
            if task.dispatch is not None and task.dispatch.partial:
                partial = True
        legs = self._legs(tasks, outcomes)
        if isinstance(outcome, Fault):
            answer = Answer(query_id, None, outcome, version, choice, token)
            return answer, (legs, outcome, application.refused(outcome), choice)
        answer = Answer(query_id, outcome, None, version, choice, token, partial)
        return answer, (legs, None, "answered", choice)

    def _chose(self, tasks: Sequence[Task], outcomes: Sequence[Outcome], agreed: float | None = None) -> None:
        """Count what became of an input at each of those that were asked."""
        decision = self._decision
        self.application.metrics.chose(decision, tasks, outcomes, agreed)
        if decision.sides:
            for side, task, found in zip(decision.sides, tasks, outcomes, strict=False):
                if side is not None:
                    side.add(task, found)

    def _outcome(self, task: Task, now: float, decided: bool = False) -> Outcome:
        if task.outcome is None:
            task.leave(self)
            if decided:
                message = f"{task.queue.name} was not waited for: it could not change the answer."
                return Fault(NOT_NEEDED, message)
            return why_late(task, self.received_at, self.deadline, now)
        return task.outcome

    def _legs(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> list[Leg]:
        joined = self._joined
        return [
            Leg(
                task.queue.name,
                "joined" if joined is not None and task in joined else task.cache,
                task.entered_at,
                task.dispatch,
                task.losses,
                outcome if isinstance(outcome, Fault) else None,
            )
            for task, outcome in zip(tasks, outcomes, strict=True)
        ]

    def _trace_all(self, query_id: int, ways: Sequence[tuple[_Way, int]], now: float) -> None:
        """Of inputs with consecutive ids."""
        for way, count in ways:
            self._trace(query_id, way, now, count)
            query_id += count * Ids.STEP

    def _trace(self, query_id: int, way: _Way, now: float, count: int = 1) -> None:
        """Of so many inputs that went this way, which is one trace."""
        application, decision = self.application, self._decision
        legs, fault, ending, choice = way
        chosen = None
        if choice is not None:
            # A tuple, for the garbage collector looks through lists.
            skipped = tuple([arm.name for arm in decision.skipped]) if decision.skipped else ()
            _, confidence, asked, used = choice
            rollouts = tuple([side.between for side in decision.sides if side]) if decision.sides else ()
            chosen = Chosen(decision.propensity, skipped, confidence, asked, used, decision.epoch, rollouts)
        application.parts.traces.keep(
            Trace(
                query_id,
                application.name,
                self._protocol,
                self._policy.name,
                self.received_at,
                now,
                self.deadline,
                legs[0] if len(legs) == 1 else legs,
                fault,
                ending,
                chosen,
                count,
            )
        )


_Way = tuple[list[Leg], Fault | None, str, Choice | None]
"""What is traced of an input: through which versions, why it has no output, how it ended, what was chosen."""


def _join(ways: list[tuple[_Way, int]], way: _Way) -> None:
    """One more went this way."""
    if ways and ways[-1][0] == way:
        ways[-1] = way, ways[-1][1] + 1
    else:
        ways.append((way, 1))


def _no_reply(_answers: list[Answer]) -> None:
    """Takes the place of a query's reply when it has been called."""
