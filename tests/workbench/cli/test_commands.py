"""From a Python file to an answered query, and on, by the command line alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clipper_container import artifact
from clipperlab import ClipperConnection
from tests.support.clusters import kill, pid_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow
MODEL = """
import helpers

FACTOR = {factor}

def predict(inputs):
    return [FACTOR * helpers.total(x) for x in inputs]
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(conn: ClipperConnection) -> Run:
    """Runs the script against the shared cluster."""

    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "import sys; from clipperlab.cli import main; sys.exit(main())"]
        whole = [*command, *arguments, "--cluster-name", conn.cm.cluster_name]
        return subprocess.run(whole, capture_output=True, text=True, timeout=250, input=options.get("input"))

    return run


def test_a_model_goes_from_its_file_to_the_web_and_back(
    conn: ClipperConnection, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "helpers.py").write_text("def total(x): return float(sum(x))\n")
    file = tmp_path / "model.py"
    file.write_text(MODEL.format(factor=1))
    options = ["--name", "cli", "--input-type", "doubles", "--example-input", "[1.0]"]
    first = run("deploy", str(file), *options, "--version", "1", "--app", "cli", "--slo-ms", "20000")
    assert first.returncode == 0, first.stderr
    assert f"http://{conn.get_query_addr()}/cli/predict" in first.stdout
    assert run("predict", "cli", "[1, 2.5]").stdout == "3.5\n"
    file.write_text(MODEL.format(factor=10))
    assert run("deploy", str(file), *options, "--version", "2", "-m", "ten times").returncode == 0
    answer = json.loads(run("predict", "cli", "-", "--json", input="[1, 2.5]").stdout)
    assert answer["output"] == 35.0
    assert "sent to replica 0" in run("why", str(answer["query_id"])).stdout
    assert run("predict", "cli", "[1]", "--version", "1").stdout == "1.0\n"

    assert run("rollback", "cli", "-m", "too much").stdout == "cli:1 is current.\n"
    assert run("predict", "cli", "[1]").stdout == "1.0\n"
    assert run("set-version", "cli", "2").stdout == "cli:2 is current.\n"
    assert run("label", "cli", "1", "stable").stdout == "cli:1 is stable.\n"
    told = run("versions", "cli").stdout
    assert "2 (current)" in told
    assert "1 (stable)" in told
    assert run("label", "cli", "-", "stable").stdout == "cli has no label stable.\n"
    assert "rolled back to 1" in told
    assert "too much" in told
    parsed = json.loads(run("versions", "cli", "--json").stdout)
    assert [move["version"] for move in parsed["history"]] == ["1", "2", "1", "2"]

    saved = tmp_path / "cli.zip"
    assert run("save-artifact", "cli", str(saved)).returncode == 0
    assert conn.get_model_info("cli", 2)["artifact"] == artifact.digest(saved)  # type: ignore[index]
    assert run("save-artifact", "cli", str(saved), "--version", "1").stdout.startswith("cli:1 is in")
    assert artifact.read_manifest(saved).example_input == [1.0]

    assert run("scale", "cli", "2").returncode == 0
    assert conn.get_num_replicas("cli") == 2
    assert "from 1 to 3 replicas" in run("scale", "cli", "--min", "1", "--max", "3").stdout
    assert run("scale", "cli", "1").returncode == 0
    status = json.loads(run("status", "--json").stdout)
    assert "cli" in [application["name"] for application in status["applications"]]
    assert "Rolled back to cli:1" in run("events", "-n", "1000").stdout
    assert all(json.loads(line)["id"] for line in run("events", "--json", "-n", "3").stdout.splitlines())
    assert run("logs", "query-0", "-n", "1").stdout
    assert "query-0: " in run("logs").stdout
    conn.stop_models(["cli"])
    default = run("predict", "cli", "[1]")
    assert (default.returncode, default.stdout) == (3, "null\n")
    assert default.stderr.startswith("no_")
    conn.unregister_application("cli")


def test_a_deploy_that_is_refused_has_changed_nothing(
    conn: ClipperConnection, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "model.py"
    file.write_text("def predict(inputs): return [1.0 for _ in inputs]\n")
    broken = tmp_path / "broken.py"
    broken.write_text("def predict(inputs):\n    import no_such_module\n")
    options = ["--name", "refused", "--version", "1", "--input-type", "doubles"]
    conn.register_application("of-strings", "strings", "", 100_000)
    for arguments, words in [
        ([str(file), "--app", "refused", "--default", "unknown"], "no JSON"),
        ([str(file), "--app", "My_App"], "My_App"),
        ([str(file), "--app", "refused", "--slo-ms", "-1"], ""),
        ([str(file), "--app", "of-strings"], "takes strings, and the model doubles"),
        ([str(file), "--example-input", "one"], "no JSON"),
        ([str(broken), "--app", "refused"], "no_such_module"),
    ]:
        failed = run("deploy", *arguments, *options)
        assert failed.returncode == 1, (arguments, failed)
        assert words in failed.stderr
        assert not {"refused", "My_App"} & set(conn.get_all_apps())
    good = run("deploy", str(file), *options, "--app", "refused", "--default", "0")
    assert good.returncode == 0, good.stderr
    conn.stop_models(["refused"])
    for app in ("refused", "of-strings"):
        conn.unregister_application(app)


def test_what_goes_wrong_is_one_sentence_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def answer(inputs): return inputs\n")
    options = ["--name", "wrong", "--version", "1", "--input-type", "doubles"]
    for arguments, words in [
        (["deploy", "nofile.py", *options], "There is no file nofile.py."),
        (["deploy", str(file), *options], "has no function 'predict', but: answer"),
        (["deploy", str(file), *options, "--function", "answer", "--cpus", "0.5"], "whole cores"),
        (["deploy", str(file), *options, "--function", "answer", "--env", "KEY"], "--env is NAME=VALUE"),
        (["predict", "nonsuch", "[1]"], "There is no application 'nonsuch'"),
        (["predict", "nonsuch", "one"], "is no JSON"),
        (["rollback", "nonsuch"], "There is no model 'nonsuch'"),
        (["scale", "nonsuch"], "Give either a number of replicas"),
        (["why", "1"], "1"),
        (["logs", "nonsuch"], "There is no log 'nonsuch'. Logs: "),
    ]:
        failed = run(*arguments)
        assert failed.returncode == 1, (arguments, failed)
        assert words in failed.stderr, (arguments, failed.stderr)
        assert "Traceback" not in failed.stderr


def test_following_goes_on_over_a_restart_of_management(breakable: ClipperConnection) -> None:
    command = [sys.executable, "-u", "-c", "from clipperlab.cli import main; main()", "events", "-f"]
    with subprocess.Popen(
        [*command, "--cluster-name", breakable.cm.cluster_name],
        stdout=subprocess.PIPE,
        text=True,
        # Who runs the tests in the background of a shell has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as following:
        try:
            assert following.stdout is not None
            assert following.stdout.readline()
            kill(pid_of(breakable, "management"))
            breakable.connect()
            breakable.register_application("afterwards", "doubles", 0, 1000)
            wait_for("the event", lambda out=following.stdout: "afterwards" in out.readline())  # type: ignore[misc]
        finally:
            following.send_signal(signal.SIGINT)
            assert following.wait(60) == 0
