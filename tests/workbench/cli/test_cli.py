"""The `clipperlab` script's errors. None of these tests starts a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipper_container.errors import BadRequest, ClusterError
from clipperlab import ProcessContainerManager, __version__, cli
from clipperlab.cli import words
from clipperlab.cli.commands import app
from clipperlab.cli.images import images


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    return tmp_path


def _all_commands() -> list[list[str]]:
    named = [*app.registered_commands, *images.registered_commands]
    return [
        ([] if command in app.registered_commands else ["images"])
        + [command.name or (command.callback.__name__ if command.callback else "").replace("_", "-")]
        for command in named
    ]


@pytest.mark.parametrize("command", _all_commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert f"Example: clipperlab {' '.join(command)}" in result.output


def test_says_its_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"clipperlab {__version__}\n"


def test_a_shell_completes_commands() -> None:
    words = {"_CLIPPERLAB_COMPLETE": "complete_bash", "COMP_WORDS": "clipperlab un", "COMP_CWORD": "1"}
    result = CliRunner().invoke(app, [], prog_name="clipperlab", env=words)
    assert result.output.split() == ["unregister", "unlink"]


def test_a_misspelt_command_is_suggested() -> None:
    assert "Did you mean 'status'" in CliRunner().invoke(app, ["statu"]).output


@pytest.mark.parametrize(
    ("said", "translated"),
    [
        (
            "`clipperlab start --cluster-name x` starts it.",
            "`clipperlab --on docker start --cluster-name x` starts it.",
        ),
        (
            "connect(), or `clipperlab start --cluster-name x`, starts it again.",
            "`clipperlab --on docker start --cluster-name x` starts it again.",
        ),
        ("status() tells what runs.", "`clipperlab --on docker status` tells what runs."),
        ("staged: set_model_version makes it", "staged: `clipperlab --on docker set-version` makes it"),
        ("unregister_application removes it", "`clipperlab --on docker unregister` removes it"),
        (
            "start_rollout begins one, and set_model_version makes a version current.",
            "`clipperlab --on docker rollout` begins one, and `clipperlab --on docker set-version` makes a "
            "version current.",
        ),
        (
            "promote or abort it first: `conn.rollout('m')` has both.",
            "promote or abort it first: `clipperlab --on docker rollout` has both.",
        ),
        (
            "stop it first: `conn.shadow(model).stop()`",
            "stop it first: `clipperlab --on docker shadow --stop`",
        ),
        (
            "conn.start_shadow(model, version) collects",
            "`clipperlab --on docker shadow` collects",
        ),
        (
            "another policy first, with set_policy.",
            "another policy first, with `clipperlab --on docker policy`.",
        ),
        ("rollback() goes back", "`clipperlab --on docker rollback` goes back"),
        (
            'Move it by set_version_label, or take it away: set_version_label("m", None, "stable").',
            "Move it by `clipperlab --on docker label`, or take it away: `clipperlab --on docker label`.",
        ),
        ('say so with applications="all".', "say so with --all."),
        (
            "Where the file is damaged, start_clipper(fresh=True) starts without it.",
            "Where the file is damaged, `clipperlab --on docker stop --purge` removes it.",
        ),
        (
            "set_autoscaling('m', None) switches that off",
            "`clipperlab --on docker scale m`, with a number, switches that off",
        ),
        (
            "set_model_version makes it current. Its last words: rollback() at set_policy",
            "`clipperlab --on docker set-version` makes it current. Its last words: rollback() at set_policy",
        ),
        ("OSError: connect(2) failed, example_input=None", "OSError: connect(2) failed, example_input=None"),
        ('P.NoLess("reward", by=0.02) is meant', "--reward-by 0.02 is meant"),
        ("leave out rollout= for its first one", "leave out --canary for its first one"),
        ("leave out num_replicas=0.", "leave out --replicas 0."),
        ("Link one with link_model_to_app.", "Link one with `clipperlab --on docker link`."),
        ("collect_feedback('m') starts it.", "`clipperlab --on docker collect m` starts it."),
        ("collect_feedback takes a window_s.", "`clipperlab --on docker collect --window-s` changes that."),
        (
            "Give inputs=[...]; or deploy it with example_input=.",
            "Give --input; or deploy it with --example-input.",
        ),
        ("feedback(..., wait=True) waits", "`clipperlab --on docker feedback --wait` waits"),
        ("scale it up with conn.set_num_replicas, or", "scale it up with `clipperlab --on docker scale`, or"),
        ("with its events() and status of why", "with its `clipperlab --on docker events` and status of why"),
        ("Deploy with pkgs_to_install=['pandas']; or", "Deploy with --requirement pandas; or"),
    ],
)
def test_advice_is_in_the_words_of_the_place(said: str, translated: str) -> None:
    assert words.translated(said, "docker") == translated
    assert words.translated(translated) == translated


def test_in_a_notebook_advice_is_in_the_words_of_its_magics() -> None:
    said = "start_clipper() starts one, set_model_version makes it current. Last words: rollback()"
    assert words.translated(said, program=words.MAGIC) == (
        "`%clipper start` starts one, `%clipper set-version` makes it current. Last words: rollback()"
    )
    for said, told in (
        (
            "Call connect(), or unregister_application first.",
            "Call connect(), or `%clipper unregister` first.",
        ),
        ("leave out num_replicas=0.", "leave out --replicas 0."),
        (
            "Give example_input=, a dictionary.",
            "Give example_input=, a dictionary.\n"
            "%%deploy has no option for that: conn.deploy(predict, ...) takes it.",
        ),
    ):
        assert words.in_a_cell(said) == told


@pytest.mark.parametrize("option", ["--num-frontends", "--max-inputs", "--max-json"])
def test_a_setting_that_cannot_be_is_refused_by_its_name(option: str) -> None:
    result = CliRunner().invoke(app, ["start", option, "0"])
    assert result.exit_code == 2
    assert option in result.output


def test_what_a_start_has_to_say_is_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose port was taken meanwhile: tests/places/process has a real one."""
    (home / "c").mkdir()
    record = {"cluster_name": "c", "query": "a:1", "management": "a:2", "token": "t"}
    (home / "c" / "cluster.json").write_text(json.dumps(record))
    said = {"started": True, "moved": "Queries are answered elsewhere now."}
    monkeypatch.setattr(ProcessContainerManager, "_run", lambda *_: said)
    result = CliRunner().invoke(app, ["start", "--cluster-name", "c"])
    assert result.exit_code == 0, result.output
    assert "Mind: Queries are answered elsewhere now.\nc runs: queries at a:1" in result.output


@pytest.mark.parametrize(
    ("place", "program", "listed", "found"),
    [
        ("docker", "docker", "b running\na exited\n", [("a", "exited"), ("b", "running")]),
        (
            "kubernetes",
            "kubectl",
            "clipper-b   1\nshop        <none>\n",
            [("b", "running"), ("shop", "not ready")],
        ),
    ],
)
def test_clusters_on_an_engine_are_those_that_the_engine_lists(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    program: str,
    listed: str,
    found: list[tuple[str, str]],
) -> None:
    monkeypatch.setenv("PATH", str(home))
    invoke = CliRunner().invoke
    assert f"`{program}` lists the clusters on" in str(invoke(app, ["--on", place, "clusters"]).exception)
    engine = home / program
    engine.write_text(f"#!/bin/sh\necho '{listed}'\n")
    engine.chmod(0o755)
    told = json.loads(invoke(app, ["--on", place, "clusters", "--json"]).stdout)
    assert [(each["name"], each["state"]) for each in told] == found
    assert invoke(app, ["--on", place, "clusters"]).stdout.split()[:4] == ["cluster", "state", *found[0]]
    engine.write_text("#!/bin/sh\necho 'nobody there' >&2; exit 1\n")
    assert "and says: nobody there" in str(invoke(app, ["--on", place, "clusters"]).exception)
    assert "No clusters yet" in invoke(app, ["clusters"]).output


def test_a_cluster_that_is_stopped_or_dead_is_called_so(home: Path) -> None:
    for name in ("dead", "stopped", "torn"):
        (home / name).mkdir()
        (home / name / "state.db").touch()
    record = '{"cluster_name":"dead","query":"127.0.0.1:1","management":"127.0.0.1:1","token":"t"}'
    (home / "dead" / "cluster.json").write_text(record)
    (home / "torn" / "cluster.json").write_text("{")
    found = json.loads(CliRunner().invoke(app, ["clusters", "--json"]).stdout)
    states = {each["name"]: each["state"] for each in found}
    assert states == {"dead": "does not answer", "stopped": "stopped", "torn": "unreadable"}


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_a_bad_cluster_name_is_refused(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--cluster-name", "My cluster"])
    assert result.exit_code == 1
    assert isinstance(result.exception, BadRequest)


def test_status_of_what_does_not_run() -> None:
    result = CliRunner().invoke(app, ["status", "--cluster-name", "quiet"])
    assert result.exit_code == 1
    assert isinstance(result.exception, ClusterError)


def test_status_of_what_does_not_answer_leaves_it_alone(home: Path) -> None:
    (home / "dead").mkdir()
    record = home / "dead" / "cluster.json"
    record.write_text('{"cluster_name":"dead","query":"127.0.0.1:1","management":"127.0.0.1:1","token":"t"}')
    result = CliRunner().invoke(app, ["status", "--cluster-name", "dead"])
    assert isinstance(result.exception, ClusterError)
    assert "does not answer" in str(result.exception)
    assert list(home.rglob("*")) == [home / "dead", record]


def test_an_error_is_one_sentence_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clipperlab", "status", "--cluster-name", "quiet"])
    assert cli.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "Cluster 'quiet' is not running. `clipperlab start --cluster-name quiet` starts it.\n"
    )


@pytest.mark.parametrize("missing", ["typer", "rich", "httpx2"])
def test_says_what_to_install(missing: str) -> None:
    lacking = f"import sys; sys.modules[{missing!r}] = None"
    command = f"{lacking}; from clipperlab.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f'The command line needs {missing}: pip install "clipperlab[client]"\n'
