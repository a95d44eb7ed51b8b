"""A lesson's bench: checks that never raise, hints that go on, and a cluster that ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clipper_container.errors import BadRequest, ClusterError
from clipperlab import doctor
from clipperlab.doctor import Finding
from clipperlab.lessons import Bench, NotHere, NotYet, bench, check, checks, lesson, need, reset
from clipperlab.lessons.checks import EXERCISE, Check, checks_of, lessons
from clipperlab.lessons.parts import Part, parts
from clipperlab.lessons.progress import Progress
from clipperlab.lessons.result import Result
from clipperlab.places.process import ProcessContainerManager
from tests.support.home import own_home

HINTS = ("Look up.", "Call `f`.", "`f(1)`")


def _check(id: str, look: Any) -> Check:
    return Check(id, look, HINTS)


def _missing(wb: Bench, value: object = None) -> None:
    if value is None:
        raise NotYet("Nothing is there.")


def _fails(wb: Bench) -> None:
    raise ZeroDivisionError("division by zero")


def _asserts(wb: Bench) -> None:
    assert wb is None, "It should be nobody's."


@pytest.fixture
def wb(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with checks of the test's own, and no cluster."""
    known = {id: _check(id, look) for id, look in [("a", _missing), ("b", _fails), ("c", _asserts)]}
    monkeypatch.setattr(bench, "checks_of", lambda number, exercise: known)
    return Bench("01", exercise=False, conn=None, cluster=False)


def test_a_check_that_passes_says_so_and_counts(wb: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    result = wb.check("a", 1)
    assert (result.ok, result.hint) == (True, "")
    assert wb.progress.passed == ["a"]
    said = "Shown · a\nThe lesson's own cells did it. 1 of 3 checks have passed.\n"
    assert capsys.readouterr().out.startswith(said)


def test_a_check_is_passed_where_the_learner_tried_something(
    wb: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Progress, "tried", True)
    assert str(wb.check("a", 1)) == "Passed · a\n1 of 3 checks have passed."
    monkeypatch.setattr(Progress, "tried", False)
    assert wb.check("a", 1)._html().count("--jp-success-color1") == 0
    exercise = Bench("01", exercise=True, conn=None, cluster=False)
    assert str(exercise.check("a", 1)).startswith("Passed")


def test_each_further_try_gets_the_next_hint_and_the_last_one_stays(wb: Bench) -> None:
    hints = [wb.check("a").hint for _ in range(4)]
    assert [h.partition(": ")[2] for h in hints] == [*HINTS, HINTS[-1]]
    assert hints[0] == "Hint 1 of 3: Look up."


@pytest.mark.parametrize(
    ("id", "values", "what"),
    [
        ("a", (), "Nothing is there."),
        ("b", (), "ZeroDivisionError: division by zero"),
        ("c", (), "It should be nobody's."),
        ("c", (1, 2, 3), "TypeError"),
        ("no-such", (), "lesson-01 has no such check. It has: a, b, c."),
    ],
)
def test_a_check_never_raises_and_says_what_is_missing(
    wb: Bench, id: str, values: tuple[Any, ...], what: str
) -> None:
    result = wb.check(id, *values)
    assert not result.ok
    assert what in result.what
    assert wb.progress.passed == []


def test_what_has_passed_stays_passed(wb: Bench) -> None:
    wb.check("a", 1)
    wb.check("a")
    assert wb.progress.passed == ["a"]


def test_progress_is_complete_when_nothing_is_missing() -> None:
    progress = Progress(["a", "b"])
    progress.add("b")
    assert (progress.complete, repr(progress)) == (False, "1 of 2 checks have passed; not yet: a")
    progress.add("a")
    assert (progress.complete, repr(progress)) == (True, "2 of 2 checks have passed")


def test_a_result_is_a_box_in_a_notebook_and_says_the_same_in_text() -> None:
    result = Result("a", False, "<b> is `x < 1`.", "Hint 1 of 3: Look up.")
    page = result._html()
    assert "&lt;b&gt; is <code>x &lt; 1</code>." in page
    assert 'role="status"' in page
    assert str(result) == "Not yet · a\n<b> is `x < 1`.\nHint 1 of 3: Look up."


def test_waiting_ends_with_what_was_awaited(wb: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wb.wait_for(iter([0, "", "there"]).__next__, "it") == "there"
    monkeypatch.setattr(bench, "DEADLINE_S", 0.0)
    with pytest.raises(TimeoutError, match="in vain for a miracle"):
        wb.wait_for(lambda: False, "a miracle")


def test_a_bench_without_a_cluster_says_so(wb: Bench) -> None:
    with pytest.raises(ClusterError, match="set-up cell"):
        _ = wb.conn
    wb.close()
    wb.close()


def test_a_run_that_must_pass_fails_where_a_check_has_not(wb: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bench.MUST_PASS, "1")
    with pytest.raises(AssertionError, match="not yet: a, b, c"):
        wb.close()


def test_what_is_not_here_is_named_and_shown_without_a_traceback() -> None:
    need("docker", True, "")
    with pytest.raises(NotHere, match=r"no docker here.* Start an engine\.") as raised:
        need("docker", "", "Start an engine.")
    assert raised.value.part == "docker"
    assert raised.value._render_traceback_() == [f"NotHere: {raised.value}"]


def test_a_lesson_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match=r"There are: .*01"):
        lesson("99")


@pytest.mark.parametrize("number", lessons())
def test_checks_have_three_hints_and_ids_that_no_other_lesson_has(number: str) -> None:
    own, of_exercise = checks_of(number), checks_of(number, exercise=True)
    assert own
    for id, each in {**own, **of_exercise}.items():
        assert len([hint for hint in each.hints if hint.strip()]) == 3, id
        assert each.look.__code__.co_varnames[0] == "wb"
    assert all(id.startswith(EXERCISE) for id in of_exercise)


def test_an_id_belongs_to_one_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_by_module", {"lesson_77": {"taken": _check("taken", _missing)}})
    with pytest.raises(ValueError, match="already in lesson_77"):
        check("taken", hints=HINTS)(_missing)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_home() as folder:
        monkeypatch.setenv("CLIPPERLAB_HOME", str(folder))
        yield


@pytest.mark.usefixtures("home")
@pytest.mark.slow
def test_a_lesson_has_a_cluster_of_its_own_which_ends(capsys: pytest.CaptureFixture[str]) -> None:
    manager = ProcessContainerManager("lesson-01")
    wb = lesson("01")
    try:
        assert f"queries are answered at {wb.conn.get_query_addr()}" in capsys.readouterr().out
        assert (
            int(wb.conn.get_query_addr().rpartition(":")[2]) > 1338
        )  # the documented ones are the learner's
        wb.conn.register_application("digits", "doubles", -1, 100_000)
        answer = wb.http.post("/digits/predict", json={"input": [1.0]}).json()
        assert "has no model yet" in wb.check("first-serve", answer).what
        assert lesson("01", exercise=True, conn=wb.conn).conn is wb.conn
        assert "lesson-01 still has a cluster. `clipperlab stop" in capsys.readouterr().out
        assert reset() == ["lesson-01"]
        assert reset() == []
    finally:
        wb.close()
    wb.close()
    assert manager.record() is None
    assert not manager.folder.exists()


def test_a_part_that_is_missing_says_how_to_get_it() -> None:
    text = str(Part("redis", "10", False, "Install it."))
    assert text == "missing  redis, for lesson 10. Install it."
    assert str(Part("redis", "10", True, "Install it.")) == "here     redis, for lesson 10"


def test_parts_are_looked_for_where_they_would_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "redis-server").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {part.name: part.there for part in parts()}
    assert found.keys() == {"curl", "torch", "gpu", "redis", "postgresql", "psycopg", "docker", "kubernetes"}
    assert (found["redis"], found["curl"], found["docker"]) == (True, False, False)


@pytest.mark.usefixtures("home")
def test_lesson_00_knows_what_is_wrong_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    wb = lesson("00", cluster=False)
    monkeypatch.setattr(
        doctor, "examine", lambda manager: [Finding("note", "so"), Finding("bad", "Too full.")]
    )
    assert wb.check("environment-machine").what == "Too full."
    missing = [part.name for part in parts() if not part.there]
    assert wb.check("environment-lessons", missing).ok
    assert "does have: everything" in wb.check("environment-lessons", [*missing, "everything"]).what
    assert not wb.check("environment-cluster", None).ok


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        ({"model": 600}, True),
        ({"model": 297, "deadline": 240, "overload": 63}, True),  # on a machine that does much else
        ({"model": 297, "no_replicas": 303}, False),
        ({"deadline": 600}, False),
        ({"model": 599, "status 500": 1}, False),
    ],
)
def test_in_lesson_02_an_update_is_not_to_blame_for_late_answers(
    answers: dict[str, int], passes: bool
) -> None:
    wb = lesson("02", cluster=False)
    during = {"sent": 600, "answers": answers, "good_share": 0.5}
    assert wb.check("serving-update", during, {"1": 0.9, "2": 0.9}).ok == passes


@pytest.mark.parametrize(
    ("alone", "beside", "passes"),
    [
        ([4.0] * 9, [5.0] * 9, True),
        ([4.0] * 9, [40.0] * 8 + [1040.0], True),  # on a machine that does much else, and stood still
        ([4.0] * 9, [304.0] * 9, False),
        ([60.0] * 9, [360.0] * 9, False),
    ],
)
def test_in_lesson_15_nobody_waits_for_a_slow_shadow(
    alone: list[float], beside: list[float], passes: bool
) -> None:
    assert lesson("15", cluster=False).check("shadow-costs", alone, beside).ok == passes


@pytest.mark.parametrize(
    ("compared", "state", "failed", "default", "says"),
    [
        (200, "passed", 0, False, ""),
        (150, "passed", 0, False, "150 answers"),
        (200, "aborted", 0, False, "The rollout is aborted"),
        (200, "passed", 3, False, "3 queries failed"),
        (200, "passed", 0, True, "default output: nobody is there"),
    ],
)
def test_in_lesson_19_one_leaves_without_a_failed_query(
    compared: int, state: str, failed: int, default: bool, says: str
) -> None:
    wb = lesson("19", cluster=False)
    shadow = SimpleNamespace(now={"seen": {"compared": compared}})
    rollout = SimpleNamespace(state=state, verdict=lambda: "Enough for today.")
    alone = {"default": default, "default_explanation": "nobody is there"}
    found = wb.check("elsewhere-theirs", shadow, rollout, failed, alone)
    assert found.ok == (not says)
    assert says in found.what
