"""Why there is no output of a version, in words."""

from __future__ import annotations

from clipper_container.wire import Fault

from .task import NOT_NEEDED, Outcome, Queue, Task

LEFT = Fault(NOT_NEEDED, "The client left before there was an answer.")


def why_late(task: Task, asked_at: float, deadline: float, now: float) -> Fault:
    """Why a task has no outcome for a query that came at `asked_at`, perhaps to join one that came before."""
    queue = task.queue
    if task.losses:
        return lost(queue)
    dispatch = task.dispatch
    if queue.ready or dispatch is not None:
        waited = (dispatch.sent_at if dispatch is not None else now) - task.entered_at
        joined = ", under way already for another query," if task.entered_at < asked_at else ""
        then = f"the input{joined} waited {1000 * waited:.0f} ms for a replica"
        if dispatch is not None:
            then += f", and has been with one for {1000 * (now - dispatch.sent_at):.0f} ms"
        had = f"the {round(1000 * (deadline - asked_at), 3):g} ms that the query had"
        return Fault("deadline", f"{queue.name} did not answer within {had}: {then}.")
    return why_unable(queue)


def told_of_left(task: Task, outcome: Outcome) -> Outcome:
    """What the trace says of a task whose client has left: it counts as late, and had time yet."""
    if task.outcome is None and isinstance(outcome, Fault) and outcome.reason == "deadline":
        return Fault(NOT_NEEDED, f"{task.queue.name} was not waited for: the client left.")
    return outcome


def why_unable(queue: Queue) -> Fault:
    """Why there is no replica that could answer."""
    if queue.starting:
        return Fault("starting", f"The replicas of {queue.name} are still loading the model.")
    if queue.waking:
        return Fault("starting", f"{queue.name} had no replicas while nobody asked. One is being started.")
    return no_replicas(queue)


def no_replicas(queue: Queue) -> Fault:
    return Fault(
        "no_replicas",
        f"{queue.name} has no running replica. See its logs, scale it up with set_num_replicas, or start it "
        "there if it runs elsewhere.",
    )


def lost(queue: Queue) -> Fault:
    return Fault("replica_lost", f"A replica of {queue.name} died with this query. See its logs.")
