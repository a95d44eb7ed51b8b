"""A load on an application, while it runs."""

from __future__ import annotations

import html
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.near import meant
from clipper_container.plain import as_json

from .. import forked
from ..display import in_notebook, live, workbench
from ..rows import rows
from . import open_loop
from .answers import MODEL, PERCENTS
from .result import LoadResult
from .schedule import ARRIVALS, Arrivals, Phase

MOST_REQUESTS = 1_000_000
MOST_SECONDS = 3600.0
CONNECTIONS = 512
FORWARDED_CONNECTIONS = 32  # of a port-forward, where each one is a request to the API server
GRACE_S = 30.0  # the generator ends by itself; this is for the day when it does not
POINTS = 300


class LoadRun:
    """A load that runs, in a process of its own. Ends by itself, by `stop`, or with this process.

    >>> run = conn.load("digits", rate=20, seconds=0.5, inputs=X)
    >>> result = run.result()
    """

    def __init__(
        self,
        application: str,
        url: str,
        inputs: Any,
        *,
        rate: float,
        seconds: float,
        arrivals: Arrivals,
        objective_ms: float,
        cache: bool,
        connections: int = CONNECTIONS,
        name: str = "",
        cluster: str = "",
    ) -> None:
        if not (rate > 0 and seconds > 0):
            raise BadRequest("rate, in requests a second, and seconds must be above 0.")
        if seconds > MOST_SECONDS or rate * seconds > MOST_REQUESTS:
            raise BadRequest(
                f"A load has at most {MOST_REQUESTS:,} requests and takes at most {MOST_SECONDS:g} s: "
                f"{rate:g} a second for {seconds:g} s is more."
            )
        if rate * seconds < 1:
            raise BadRequest(f"{rate:g} a second for {seconds:g} s is less than one request.")
        if arrivals not in ARRIVALS:
            known = ", ".join(ARRIVALS)
            near = meant(str(arrivals), ARRIVALS)
            raise BadRequest(f"There are no arrivals {arrivals!r}.{near} Choose one of: {known}.")
        values = rows(inputs)
        if not values:
            raise BadRequest("A load needs inputs to send: inputs=[...].")
        try:
            bodies = [as_json({"input": value}).decode() for value in values]
        except (TypeError, ValueError) as error:
            raise BadRequest(f"The inputs cannot be sent as JSON: {error}. Give plain lists.") from None
        self.application, self.name, self.cluster = application, name, cluster
        self.rate, self.seconds, self.arrivals = rate, seconds, arrivals
        self.objective_ms = objective_ms
        self.points: list[dict[str, Any]] = []  # the last ones, every half second, as charts want them
        self.sent = 0
        self._result: LoadResult | None = None
        self._trouble = ""
        self._listeners: list[Callable[[], None]] = []
        self._over = threading.Event()
        self._began = time.time()
        # -P: no file beside the notebook that is called like a library's module gets in the way.
        command = [sys.executable, "-P", "-m", open_loop.__name__, url, str(Phase(rate, seconds))]
        command += ["--attended", "--objective-ms", str(objective_ms), "--arrivals", arrivals]
        command += ["--connections", str(connections), *([] if cache else ["--no-cache"])]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupted kernel passes Ctrl+C on to its process group
        )
        forked.in_child(self._leave_to_parent)
        threading.Thread(target=self._follow, args=(bodies,), name="clipper load", daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet.

        >>> run = conn.load("digits", rate=20, seconds=0.5)
        >>> result = run.result()
        >>> run.running
        False
        """
        return not self._over.is_set()

    def stop(self) -> None:
        """Send no more. `result` then has what was sent so far.

        >>> run = conn.load("digits", rate=20, seconds=60)
        >>> run.stop()
        >>> result = run.result()
        """
        stdin = self._process.stdin
        if stdin is not None:
            with suppress(OSError, ValueError):  # it may be gone already
                stdin.close()

    def _leave_to_parent(self) -> None:
        """In a forked process: it is the parent's, and ends when that closes the pipe, or itself ends."""
        forked.let_go(self._process.stdin)

    def result(self, timeout_s: float | None = None) -> LoadResult:
        """Wait for the end, and tell what was seen. Whoever interrupts that stops the load.

        Raises ClusterError where the generator failed.

        >>> result = conn.load("digits", rate=20, seconds=0.5).result()
        >>> result["sent"]
        10
        """
        longest = self.seconds + GRACE_S if timeout_s is None else timeout_s
        try:
            over = self._over.wait(longest)
        except KeyboardInterrupt:
            self.stop()
            raise
        if not over:
            raise ClusterError(f"The load still runs after {longest:g} s. stop() ends it.")
        if self._result is None:
            raise ClusterError(f"The load failed: {self._trouble}")
        return self._result

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in any thread, when there is something new, and at the end.

        >>> run = conn.load("digits", rate=20, seconds=0.5)
        >>> run.listen(lambda: None)
        >>> result = run.result()
        """
        self._listeners.append(listener)

    def __repr__(self) -> str:
        if self.running:
            return f"<load of {self._what}: {self.sent:,} sent. result() waits for its end, stop() ends it>"
        return f"<load of {self._what}: over. result() tells what it saw>"

    def _ipython_display_(self) -> None:
        """Show how it goes; and in its place, when it has run, what it saw."""
        if not in_notebook():
            raise NotImplementedError  # IPython asks for the text then
        from IPython.display import display

        handle: Any = display(self._repr_mimebundle_(), raw=True, display_id=True)  # type: ignore[no-untyped-call]

        def renew() -> None:
            if not self.running:
                handle.update(self._repr_mimebundle_(), raw=True)

        self.listen(renew)
        renew()  # it may have ended meanwhile

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not self.running:
            if self._result is not None:
                return self._result._repr_mimebundle_()
            failed = f"The load of {self._what} failed: {self._trouble}"
            return {"text/plain": failed, "text/html": f'<p role="alert">{html.escape(failed)}</p>'}
        data = {"text/plain": repr(self)}
        try:
            view = workbench("loads").LoadView(self)
        except ClusterError:
            return data
        still = f"<p>A load of {html.escape(self._what)} ran: {self.sent:,} of its queries were sent.</p>"
        saved = live.saved(self.cluster, "application", self.application, still)
        return {**saved, **view._repr_mimebundle_(), **data}

    @property
    def _what(self) -> str:
        return f"{self.rate:g} queries a second ({self.arrivals}) to {self.application}"

    def _follow(self, bodies: list[str]) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        last = ""
        try:
            with suppress(OSError, ValueError):  # it may be gone already
                process.stdin.write("\n".join(bodies) + "\n\n")
                process.stdin.flush()
            for line in process.stdout:
                last = line
                told = json.loads(line)
                if "phases" in told:
                    self._result = self._summary(told)
                else:
                    self._on_point(told)
                self._tell()
        except ValueError:
            self._trouble = f"it said {last[:200]!r}"
        finally:
            self.stop()
            said = _read(process.stderr)
            code = process.wait()
            if self._result is None:
                self._trouble = self._trouble or said.strip().rpartition("\n")[2] or f"it ended with {code}"
            process.stdout.close()
            process.stderr.close()
            self._over.set()
            self._tell()

    def _on_point(self, told: dict[str, Any]) -> None:
        self.sent = told["sent"]
        percentiles = {name: told[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
        of_application = {"answers": told["answers"], **percentiles}
        point = {"at": self._began + told["at_s"], "applications": {self.application: of_application}}
        self.points = [*self.points, point][-POINTS:]

    def _summary(self, told: dict[str, Any]) -> LoadResult:
        (phase,) = told["phases"]
        self.sent = phase["offered"]
        seconds = min(self.seconds, self.sent / self.rate)
        everything = phase["all"]
        return LoadResult(
            application=self.application,
            name=self.name,
            rate=self.rate,
            arrivals=self.arrivals,
            objective_ms=self.objective_ms,
            seconds=seconds,
            sent=self.sent,
            good=phase["good"],
            good_share=phase["good_share"],
            answers={kind: summary["count"] for kind, summary in phase["by_kind"].items()},
            p50_ms=everything["p50_ms"],
            p95_ms=phase["distribution"][PERCENTS.index(95)],
            p99_ms=everything["p99_ms"],
            max_ms=everything["max_ms"],
            model=phase["by_kind"].get(MODEL),
            percents=list(PERCENTS),
            distribution_ms=phase["distribution"],
            points=self.points,
            lag_p99_ms=told["generator"]["lag_p99_ms"],
        )

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def _read(file: IO[str]) -> str:
    return file.read()[-2000:]
