"""Runs of lessons under nbval, seen as lessons: how long each takes, how much memory, and which one fails.

A pytest plugin, used with `-p tests.support.home -p tests.support.lesson_runs`. A lesson fails with its
first cell that fails, and the rest of it is left out; where a cell says that the machine lacks something
(`NotHere`), the rest is skipped, unless CLIPPERLAB_TESTS_NEED names it. A lesson also fails that takes too
much memory, or far too much work, or leaves a cluster behind; how long it takes is told, and depends on the
machine. `--twice` runs everything twice in one home. `--recorded FOLDER` keeps there what the cells of
lessons that pass put out.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clipperlab.lessons.bench import MUST_PASS
from clipperlab.places.process import clusters
from tests.support.home import end_clusters
from tests.support.kernels import at_ports_of_their_own
from tests.support.parts import MUST
from tests.support.recording import Recording
from tests.support.scrubbed import scrubbed
from tests.support.usage import Taken, Watch

CPU_S = 150.0  # on a slow machine; a quick one takes 30 for the longest
MIB = 1024.0


@dataclass
class Run:
    """One lesson's run."""

    name: str
    began: float = field(default_factory=time.monotonic)
    watch: Watch = field(default_factory=Watch)
    seconds: float = 0.0
    taken: Taken = field(default_factory=Taken)
    stopped: str = ""  # why the rest of it is left out
    wrong: list[str] = field(default_factory=list)
    left_out: bool = False
    not_yet: dict[str, str] = field(default_factory=dict)  # by id, what each check said last
    recording: Recording | None = None

    def end(self) -> None:
        self.seconds = time.monotonic() - self.began
        self.taken = self.watch.end()
        if self.taken.cpu_s > CPU_S:
            self.wrong.append(f"kept a core busy for {self.taken.cpu_s:.0f} s, more than {CPU_S:.0f}")
        if self.taken.mib > MIB:
            self.wrong.append(f"took {self.taken.mib:,.0f} MiB, more than {MIB:,.0f}")
        if left := clusters():
            if not self.stopped:
                self.wrong.append(f"left running: {', '.join(left)}")
            end_clusters(Path(os.environ["CLIPPERLAB_HOME"]))

    def record(self, item: Any) -> None:
        """Has the recording hear what the kernel says while a cell runs."""
        if self.recording is None:
            home = Path(os.environ["CLIPPERLAB_HOME"])
            self.recording = Recording(item.parent.nb, partial(scrubbed, home=home))
        recording = self.recording
        read = type(item.parent).get_kernel_message

        def heard(*args: Any, **kwargs: Any) -> Any:
            message = read(item.parent, *args, **kwargs)
            recording.hear(message, item.cell.id)
            return message

        item.parent.get_kernel_message = heard

    def hear(self, outputs: list[Any]) -> None:
        """What the checks in a cell's outputs said."""
        for output in outputs:
            said = str(output.get("data", {}).get("text/plain", "")).splitlines()
            if said and (check := re.fullmatch(r"(Passed|Shown|Not yet) · ([\w-]+)", said[0])):
                self.not_yet.pop(check[2], None)
                if check[1] == "Not yet":
                    self.not_yet[check[2]] = " ".join(said[:2])

    @property
    def verdict(self) -> str:
        if self.wrong:
            return "FAILED: " + "; ".join(self.wrong)
        return f"left out: {self.stopped}" if self.left_out else "passed"


class Runs:
    """The lessons of this session, in the order in which they ran."""

    def __init__(self, recorded: Path | None) -> None:
        self.recorded = recorded
        self.done: list[Run] = []
        self.current: Run | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        if self.current is None:
            self.current = Run(item.nodeid.partition("::")[0])
        try:
            return (yield)
        finally:
            # With no next item of the same notebook, its kernel has ended by now.
            if nextitem is None or nextitem.parent is not item.parent:
                self.current.end()
                if self.recorded and self.current.recording and self.current.verdict == "passed":
                    self.current.recording.write(self.recorded / item.path.parent.name / item.path.name)
                self.done.append(self.current)
                self.current = None

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.current and self.current.stopped:
            pytest.skip(self.current.stopped)
        if self.current and self.recorded:
            self.current.record(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        outputs = getattr(item, "test_outputs", None) or []
        if report.when == "call" and self.current:
            self.current.hear(outputs)
        if report.failed and self.current:
            cell: Any = getattr(item, "cell", {})
            lacks = _lacks(outputs)
            if lacks:
                report.outcome = "skipped"
                report.longrepr = (str(item.path), 0, f"Skipped: {lacks}")
                self.current.stopped, self.current.left_out = lacks, True
            elif not self.current.stopped:
                self.current.stopped = f"cell {cell.get('id', item.name)!r} failed"
                self.current.wrong += [self.current.stopped, *self.current.not_yet.values()]
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if any(run.wrong for run in self.done) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("lessons: seconds, seconds of a core, MiB at most; all processes together")
        for run in self.done:
            figures = f"{run.seconds:5.1f} s {run.taken.cpu_s:5.1f} s {run.taken.mib:6,.0f} MiB"
            line = f"{figures}  {run.name}: {run.verdict}"
            terminalreporter.write_line(line, red=bool(run.wrong), yellow=run.left_out)
        total = sum(run.seconds for run in self.done)
        failed = sum(bool(run.wrong) for run in self.done)
        terminalreporter.write_line(f"{total:5.0f} s for {len(self.done)} runs; {failed} failed")


def _lacks(outputs: list[Any]) -> str:
    """The sentence of a cell that found its machine to lack something, where that is allowed."""
    errors = [o for o in outputs if o.get("output_type") == "error" and o["ename"] == "NotHere"]
    for error in errors:
        part = re.match(r"There is no (.+?) here", error["evalue"])
        if part and part[1] not in os.environ.get(MUST, "").split(","):
            return str(error["evalue"])
    return ""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--twice", action="store_true", help="run every lesson twice, in one home")
    parser.addoption("--recorded", type=Path, metavar="FOLDER", help="keep what cells put out")


def pytest_configure(config: pytest.Config) -> None:
    os.environ[MUST_PASS] = "1"
    os.environ["LOGNAME"] = "learner"  # who deployed, in what lessons put out
    at_ports_of_their_own()
    config.pluginmanager.register(Runs(config.getoption("--recorded")), "runs of lessons")
    if config.getoption("--twice"):
        config.option.keepduplicates = True
        config.args = [*config.args, *config.args]
