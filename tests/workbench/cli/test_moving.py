"""Rollouts and shadows by the command line, run in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipper_container.errors import BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import constant
from tests.support.waiting import wait_for
from tests.workbench.cli.conftest import Run


@pytest.mark.slow
def test_a_version_is_tried_and_rolled_out(cluster: ClipperConnection, run: Run, tmp_path: Path) -> None:
    for version in (1, 2):
        deploy_python_closure(
            cluster, "digits", version, "doubles", constant(version), make_current=version == 1
        )
    cluster.register_application("digits", "doubles", -1, 10_000_000)
    cluster.link_model_to_app("digits", "digits")

    for command in ("shadow", "rollout"):
        assert isinstance(run(command, "digits", code=1).exception, NotFound)
    assert "asked for: 100% of the inputs" in run("shadow", "digits", "2", "--fraction", "1").stdout
    application = cluster.application("digits")
    wait_for(
        "a pair",
        lambda: (
            application.predict([1.0])
            and json.loads(run("shadow", "digits", "--json").stdout)["seen"]["same"] == 0
            and "after" in run("shadow", "digits", "--diff").stdout
        ),
    )
    pair = json.loads(run("shadow", "digits", "--diff").stdout.splitlines()[0])
    assert (pair["before"]["output"], pair["after"]["output"], pair["input"]) == (1, 2, [1.0])
    assert isinstance(run("shadow", "digits", "2", "--stop", code=1).exception, BadRequest)
    assert "state: stopped" in run("shadow", "digits", "--stop", "-m", "seen enough").stdout

    said = run(
        "rollout", "digits", "2", "--steps", "0.25,0.5", "--hold-s", "0", "--observe", "--sticky"
    ).stdout
    assert "share: 25% (steps: 25%, 50%)" in said
    assert "digits:2 has 25 % of the queries, digits:1 the others" in " ".join(run("status").stdout.split())
    assert json.loads(run("status", "--json").stdout)["rollouts"][-1]["canary"] == "2"
    assert "state: paused" in run("rollout", "digits", "--pause").stdout
    assert "state: running" in run("rollout", "digits", "--resume").stdout
    assert "state: aborted" in run("rollout", "digits", "--abort", "-m", "too early").stdout
    refused = run("rollout", "digits", "2", "--reward-by", "0.05", code=1).exception
    assert "digits collects no feedback" in str(refused)
    cluster.collect_feedback("digits")
    said = run("rollout", "digits", "2", "--steps", "0.25", "--reward-by", "0.05").stdout
    assert "rewards (lower by up to 0.05 is allowed): of 0 against of 0" in said
    run("rollout", "digits", "--abort")
    run("rollout", "digits", "2")
    told = json.loads(run("rollout", "digits", "--promote", "-m", "good", "--json").stdout)
    assert (told["state"], told["share"]) == ("passed", 1)
    assert cluster.get_current_model_version("digits") == "2"
    assert isinstance(run("rollout", "digits", "--steps", "half", "1", code=1).exception, BadRequest)

    file = tmp_path / "model.py"
    file.write_text("def predict(inputs):\n    return [3 for _ in inputs]\n")
    deploy = ("deploy", str(file), "--name", "digits", "--input-type", "doubles", "--canary")
    said = run(*deploy).stdout
    assert "digits:3 is ready, and rolled out step by step from now on." in said
    assert "`clipperlab rollout digits" in said
    assert "share: 5%" in run("rollout", "digits").stdout
    run("rollout", "digits", "--abort")
    assert isinstance(run(*deploy, "--stage", code=1).exception, BadRequest)
    run("shadow", "digits", "3")
    run("shadow", "digits", "--stop")
    ended = str(run("shadow", "digits", "--promote", code=1).exception)
    assert ended.startswith("Model digits has no shadow that runs")
    assert cluster.get_current_model_version("digits") == "2"
    assert "--all is an option of --canary" in str(run(*deploy[:-1], "--all", code=1).exception)
    cluster.register_application("second", "doubles", -1, slo_ms=1000)
    cluster.link_model_to_app("second", "digits")
    file.write_text("def predict(inputs):\n    return [4 for _ in inputs]\n")
    assert "digits, second ask for" in str(run(*deploy, code=1).exception)
    assert "digits:4 is ready, and rolled out" in run(*deploy, "--all").stdout
    run("rollout", "digits", "--abort")
    cluster.unregister_application("second")
    cluster.set_version_label("digits", 3, "kept")
    said = run("remove", "digits", "--inactive").stdout
    assert said.startswith(
        "Mind: digits:3 cannot be removed, as clients ask for it by the label kept. Move it"
    )
    assert "by `clipperlab label`" in said
    assert said.endswith("digits has versions 2, 3 left.\n")
    cluster.set_version_label("digits", None, "kept")
