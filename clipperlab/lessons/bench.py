"""The bench that a learner works at: one lesson's cluster, its checks, and how far the learner is."""

from __future__ import annotations

import os
import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from clipper_container.errors import ClusterError

from .. import forked
from ..connection import ClipperConnection
from ..places.process import ProcessContainerManager, clusters
from .checks import NotYet, checks_of
from .guesses import Guess, Guesses
from .progress import Progress
from .quiz import Questions, Quiz
from .result import Result
from .shown import GOOD, NEUTRAL, NOT_YET, box, marked_up, show

if TYPE_CHECKING:
    import httpx2

_T = TypeVar("_T")
MUST_PASS = "CLIPPERLAB_LESSONS_MUST_PASS"
CLUSTER = re.compile(r"(lesson|exercise)-\d\d")
QUERY_TIMEOUT_S = 10.0
DEADLINE_S = 30.0
LOOK_EVERY_S = 0.05


class Bench:
    """What `lesson` returns. `progress` says which checks have passed, and what was tried."""

    def __init__(self, number: str, *, exercise: bool, conn: ClipperConnection | None, cluster: bool) -> None:
        self._checks = checks_of(number, exercise=exercise)
        self._guesses, self._quiz = Guesses(), Quiz()
        self.progress = Progress(self._checks, [self._guesses, self._quiz])
        self.name = f"{'exercise' if exercise else 'lesson'}-{number}"
        self._exercise = exercise
        self._tries: Counter[str] = Counter()
        self._http: httpx2.Client | None = None
        forked.in_child(self._leave_to_parent)
        self._conn = conn
        if cluster and conn is None:
            # Free ports: two lessons that both wish for the documented one take it from each other.
            manager = ProcessContainerManager(self.name, clipper_query_port=0, clipper_management_port=0)
            self._conn = ClipperConnection(manager)
            self._conn.start_clipper(fresh=True)

    @property
    def conn(self) -> ClipperConnection:
        """The connection to the lesson's own cluster. Raises ClusterError where it has none, or is closed."""
        if self._conn is None:
            raise ClusterError(
                f"There is no cluster of {self.name} at the moment. The set-up cell starts one."
            )
        return self._conn

    @property
    def http(self) -> httpx2.Client:
        """A client of the query frontend: `wb.http.post("/digits/predict", json={"input": [1.0]})`."""
        if self._http is None:
            import httpx2

            url = f"http://{self.conn.get_query_addr()}"
            # No proxy stands between this machine and itself.
            self._http = httpx2.Client(base_url=url, timeout=QUERY_TIMEOUT_S, trust_env=False, verify=False)
        return self._http

    def _leave_to_parent(self) -> None:
        """In a forked process: have a client of its own, whose answers do not come to both."""
        self._http = None

    def check(self, id: str, *values: Any) -> Result:
        """Look whether it is done, show what was found, and return that. Never raises."""
        result = self._look(id, values)
        result.show()
        return result

    def _look(self, id: str, values: tuple[Any, ...]) -> Result:
        if id not in self._checks:
            return Result(id, False, f"{self.name} has no such check. It has: {', '.join(self._checks)}.")
        check = self._checks[id]
        try:
            check.look(self, *values)
        except (NotYet, AssertionError) as missing:
            what = str(missing)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
        else:
            self.progress.add(id)
            done, all_ = len(self.progress.passed), len(self.progress.ids)
            # A lesson's own cells do what its checks ask for. An exercise's do not.
            tried = self._exercise or self.progress.tried
            by = "" if tried else "The lesson's own cells did it. "
            return Result(id, True, f"{by}{done} of {all_} checks have passed.", tried=tried)
        hint = min(self._tries[id], len(check.hints) - 1)
        self._tries[id] += 1
        return Result(id, False, what, f"Hint {hint + 1} of {len(check.hints)}: {check.hints[hint]}")

    def guess(self, name: str, unit: str = "") -> None:
        """Ask for a number before it is measured: `wb.guess("p50", unit="ms")`.

        With the unit "%" it is a share of 1, which is typed and shown in percent. A guess outlives running
        the cell again.
        """
        self._guesses.number(name, unit)

    def choose(self, name: str, options: Sequence[str], question: str = "") -> None:
        """Ask which of `options` it will be: `wb.choose("slower", ["one", "two"], "Which is slower?")`."""
        self._guesses.choice(name, options, question or name)

    def measured(self, name: str, value: Any) -> Guess | None:
        """Show what it was beside what was guessed: `wb.measured("p50", 1.5)`, or one of the options.

        Returns the guess, None where there is none.
        """
        return self._guesses.measured(name, value)

    def quiz(self, questions: Questions) -> None:
        """Ask questions, and say at once what is right and why: `{"2 + 2?": {"4": "Count.", "5": "Why?"}}`.

        Each choice has a sentence. The first one is right; they are shown in another order.
        """
        self._quiz.ask(questions)

    def wait_for(self, look: Callable[[], _T], what: str) -> _T:
        """The first true value that `look()` returns. Raises TimeoutError after 30 s, naming `what`."""
        give_up = time.monotonic() + DEADLINE_S
        while not (found := look()):
            if time.monotonic() > give_up:
                raise TimeoutError(f"Waited {DEADLINE_S:.0f} s in vain for {what}.")
            time.sleep(LOOK_EVERY_S)
        return found

    def close(self) -> None:
        """End the lesson's cluster, and remove what it remembers; say what was tried.

        Where CLIPPERLAB_LESSONS_MUST_PASS is set, as `make notebooks` does, raises AssertionError while a
        check has not passed.
        """
        if self._http is not None:
            self._http.close()
        if self._conn is not None:
            self._conn.stop_all(purge=True)
        self._http = self._conn = None
        if not self._exercise:
            said = f"{self.progress}."
            colour = NOT_YET if self.progress.missing else GOOD
            show(box(colour if self.progress.tried else NEUTRAL, marked_up(said)), said)
        if os.environ.get(MUST_PASS):
            assert self.progress.complete, str(self.progress)

    def __repr__(self) -> str:
        where = f", which answers queries at {self._conn.get_query_addr()}" if self._conn else ""
        return f"<{self.name}{where}; {self.progress}>"


def lesson(
    number: str, *, exercise: bool = False, conn: ClipperConnection | None = None, cluster: bool = True
) -> Bench:
    """The bench for a lesson, or for its exercise, with a fresh cluster of its own: `wb = lesson("04")`.

    The cluster is called lesson-04 or exercise-04, and `wb.close()` ends it. A lesson that starts its
    cluster itself passes its `conn`; one that needs none says `cluster=False`. Raises BadRequest for a
    lesson that there is not, and ClusterError where the cluster cannot start.
    """
    bench = Bench(number, exercise=exercise, conn=conn, cluster=cluster)
    where = f" · queries are answered at {bench.conn.get_query_addr()}" if conn or cluster else ""
    print(f"{bench.name} · Clipper Lab {version('clipperlab')} · Python {platform.python_version()}{where}")
    for other in _clusters():
        if other != bench.name:
            print(f"{other} still has a cluster. `clipperlab stop --cluster-name {other} --purge` ends it.")
    return bench


def reset() -> list[str]:
    """End the clusters of all lessons and exercises, and remove what they remember. Returns their names.

    Those on a Docker engine or on Kubernetes are not among them: `clipperlab --on docker stop` ends them,
    or `--on kubernetes`.
    """
    ended = _clusters()
    for name in ended:
        ProcessContainerManager(name).down(purge=True)
    return ended


def _clusters() -> list[str]:
    return [name for name in clusters() if CLUSTER.fullmatch(name)]
