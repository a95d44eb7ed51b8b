"""The workbench in a notebook, by clicking its widgets in Python, on a real cluster."""

from __future__ import annotations

import html
import json
import re
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

pytest.importorskip("anywidget", reason="views need anywidget, which is not installed here")

import numpy as np

from clipper_container.errors import DeployError
from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.display.live import MIME
from clipperlab.management import FeedbackOptions
from clipperlab.workbench.actions import Action, Worker
from clipperlab.workbench.controls.policy import CASCADE, FIRST, SPLIT, TWO, VOTE
from clipperlab.workbench.namespace import deployables
from clipperlab.workbench.panel import Panel
from clipperlab.workbench.pictures import STATIC, esm
from clipperlab.workbench.view import LIVE, Viewing
from clipperlab.workbench.views import ConnectionView
from clipperlab.workbench.watch import Watch
from tests.support.clusters import Attach, ask, constant, kill, pid_of
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    connection = attach("workbench")
    connection.start_clipper(fresh=True)
    yield connection
    connection._viewing.end()
    connection.stop_all(purge=True)


@pytest.fixture
def panel(cluster: ClipperConnection) -> Iterator[Panel]:
    """A panel over a cluster with nothing in it but `app`, which asks versions 1 (current) and 2 of `m`."""
    for name in cluster.get_all_apps():
        cluster.unregister_application(name)
    cluster.stop_models([name for name in _models(cluster) if name != "m"])
    if "m" not in _models(cluster):
        deploy_python_closure(cluster, "m", 1, "doubles", constant("one"), example_input=[1.0])
        deploy_python_closure(cluster, "m", 2, "doubles", constant("two"), make_current=False)
    cluster.register_application("app", "doubles", -1, 20_000_000)
    cluster.link_model_to_app("app", "m")
    yield cluster._viewing.begin(Panel(cluster, {"three": constant("three")}))
    cluster._viewing.end()


@pytest.fixture
def changed(cluster: ClipperConnection) -> Iterator[None]:
    """For a test that changes `m`: the next one has another."""
    yield
    cluster.stop_all_model_containers()


def _models(cluster: ClipperConnection) -> list[str]:
    return sorted({version["model_name"] for version in cluster.get_all_models(verbose=True)})


def press(action: Action, worker: Worker, *, confirm: bool = False) -> str:
    """Press its button, and return what was said beside it in the end."""
    assert not action.button.disabled
    action.button.click()
    if confirm:
        action.yes.click()
    wait_for("the action's end", lambda: not worker.busy)
    return html.unescape(re.sub("<[^>]*>", "", action.said.value))


def output(connection: ClipperConnection) -> Any:
    return ask(connection, "app", {"input": [1.0]}, headers={"Cache-Control": "no-cache"}).json()["output"]


@pytest.mark.usefixtures("changed")
def test_the_panel_moves_between_versions_and_shows_the_python(
    cluster: ClipperConnection, panel: Panel
) -> None:
    assert panel.model.model.value == "m"
    assert panel.model.version.value == "1"
    assert panel.model.roll_back.button.disabled
    assert "No version was current before." in panel.model.roll_back.why_not.value
    panel.model.version.value = "2"
    panel.model.message.value = "better"
    assert panel.model.make_current.line.code == "conn.set_model_version('m', '2', message='better')"
    assert "done" in press(panel.model.make_current, panel.worker)
    assert panel.model.message.value == ""  # it was the reason of that move alone
    assert output(cluster) == "two"
    assert cluster.get_model_history("m")[-1]["message"] == "better"
    wait_for("the current version in the table", lambda: "m:2 <b>(current)</b>" in panel.versions.value)
    panel.model.message.value = "worse"
    wait_for("the way back", lambda: not panel.model.roll_back.button.disabled)
    assert panel.model.roll_back.line.code == "conn.rollback('m', message='worse')"
    assert "m:1 is current" in press(panel.model.roll_back, panel.worker)
    wait_for("the controls to be those of the current version", lambda: panel.model.version.value == "1")
    assert output(cluster) == "one"


@pytest.mark.usefixtures("changed")
def test_the_panel_scales(cluster: ClipperConnection, panel: Panel) -> None:
    panel.model.replicas.value = 2
    assert panel.model.scale.line.code == "conn.set_num_replicas('m', 2, '1')"
    press(panel.model.scale, panel.worker)
    assert cluster.get_num_replicas("m") == 2
    wait_for("both replicas in the table", lambda: "2 of 2 ready" in panel.versions.value)
    panel.model.least.value, panel.model.most.value = 1, 3
    press(panel.model.autoscale, panel.worker)
    wait_for("the bounds in the table", lambda: "scaled from 1 to 3" in panel.versions.value)
    said = press(panel.model.scale, panel.worker)
    assert "failed" in said
    assert "set_autoscaling('m', None)" in said
    press(panel.model.stop_autoscaling, panel.worker)
    assert cluster.get_all_models(verbose=True)[0]["autoscaling"] is None


def test_what_became_of_a_click_is_beside_it_and_nowhere_else(
    cluster: ClipperConnection, panel: Panel
) -> None:
    press(panel.model.scale, panel.worker)
    assert "Scaling m:1 to 1: done" in panel.model.scale.said.value
    press(panel.model.stop_autoscaling, panel.worker)
    assert "done" in panel.model.stop_autoscaling.said.value
    assert panel.model.scale.said.value == ""


def test_one_thing_is_done_at_a_time_and_the_other_button_says_so() -> None:
    worker, going, go_on = Worker(), threading.Event(), threading.Event()

    def slow() -> None:
        going.set()
        go_on.wait(60)

    first, second = (
        Action(name, [], worker=worker, line=lambda: "f()", what=lambda name=name: name, do=lambda: slow)  # type: ignore[misc]
        for name in ("First", "Second")
    )
    first.button.click()
    assert going.wait(60)
    second.button.click()
    assert "First is not done yet" in second.said.value
    assert "First …" in first.said.value
    go_on.set()
    wait_for("the end of the first", lambda: not worker.busy)
    assert "First: done" in first.said.value


def test_a_button_that_cannot_work_says_why(cluster: ClipperConnection, panel: Panel) -> None:
    def why_not(action: Action) -> str:
        return action.why_not.value if action.button.disabled else ""

    assert "Give the model a name." in why_not(panel.deploy.deploy)
    panel.deploy.model.value = "new"
    assert why_not(panel.deploy.deploy) == ""
    panel.deploy.example.value = "seven"
    assert "neither JSON nor a list of numbers" in why_not(panel.deploy.deploy)
    assert "Give it a name." in why_not(panel.application.register)
    assert "No other model takes what it is asked." in why_not(panel.application.link)
    assert "There is no input yet." in why_not(panel.lens.ask)
    panel.model.least.value = 9
    assert "From 9 to 4 is no range." in why_not(panel.model.autoscale)
    empty = Panel(cluster, {})
    assert "Write a function, or fit a model" in why_not(empty.deploy.deploy)


@pytest.mark.usefixtures("changed")
def test_what_destroys_asks_first(cluster: ClipperConnection, panel: Panel) -> None:
    panel.model.stop.button.click()
    assert "which answers for app" in panel.model.stop._question.value
    panel.model.stop.no.click()
    assert not panel.worker.busy
    assert cluster.get_all_models() == ["m:1", "m:2"]
    panel.model.version.value = "2"
    press(panel.model.stop, panel.worker, confirm=True)
    assert cluster.get_all_models() == ["m:1"]
    press(panel.application.unlink, panel.worker, confirm=True)
    assert cluster.get_linked_models("app") == []
    wait_for("m to be there to be linked", lambda: panel.application.unlinked.value == "m")
    press(panel.application.link, panel.worker)
    assert cluster.get_linked_models("app") == ["m"]


def test_the_panel_makes_and_changes_applications(cluster: ClipperConnection, panel: Panel) -> None:
    controls = panel.application
    assert controls.register.button.disabled
    controls.new_name.value = "new"
    controls.new_default.value = '{"sorry": true}'
    controls.new_objective_ms.value = 20
    line = "conn.register_application('new', 'doubles', {'sorry': True}, slo_ms=20)"
    assert controls.register.line.code == line
    press(controls.register, panel.worker)
    info = cluster.get_app_info("new")
    assert info is not None
    assert (info["default_output"], info["latency_slo_micros"]) == ({"sorry": True}, 20_000)
    wait_for("the new application to be there", lambda: "new" in controls.application.options)
    controls.application.value = "new"
    controls.objective_ms.value = 30
    assert controls.set_objective.line.code == "conn.set_latency_objective('new', slo_ms=30)"
    press(controls.set_objective, panel.worker)
    controls.default_output.value = "not JSON"
    assert "A default output is JSON" in press(controls.set_default, panel.worker)
    controls.default_output.value = "0"
    press(controls.set_default, panel.worker)
    assert ask(cluster, "new", {"input": [1.0]}).json()["output"] == 0
    info = cluster.get_app_info("new")
    assert info is not None
    assert info["latency_slo_micros"] == 30_000
    press(controls.remove, panel.worker, confirm=True)
    assert cluster.get_all_apps() == ["app"]


@pytest.mark.usefixtures("changed")
def test_the_panel_deploys_what_the_notebook_made(cluster: ClipperConnection, panel: Panel) -> None:
    deploy = panel.deploy
    assert deploy.what.options == ("three (function)",)
    deploy.model.value = "m"
    wait_for("the next version", lambda: deploy.version.value == "3")
    deploy.model.value = "new"
    assert deploy.version.value == "1"
    deploy.model.value = "m"
    assert deploy.version.value == "3"
    deploy.staged.value = True
    assert deploy.deploy.line.code == "conn.deploy(three, 'm', '3', 'doubles', make_current=False)"
    press(deploy.deploy, panel.worker)
    assert output(cluster) == "one"
    assert ask(cluster, "app", {"input": [1.0], "version": "3"}).json()["output"] == "three"


def test_the_panel_deploys_with_an_example_and_a_reason_and_links(
    cluster: ClipperConnection, panel: Panel
) -> None:
    deploy = panel.deploy
    cluster.register_application("other", "doubles", -1, 20_000_000)
    deploy.model.value = "fresh"
    wait_for("the applications that could ask it", lambda: "other" in deploy.link_to.options)
    deploy.example.value = "1, 2"
    deploy.message.value = "for a start"
    deploy.link_to.value = "other"
    assert deploy.deploy.line.code == (
        "conn.deploy(three, 'fresh', '1', 'doubles', example_input=[1.0, 2.0], message='for a start')\n"
        "conn.link_model_to_app('other', 'fresh')"
    )
    assert "other asks it" in press(deploy.deploy, panel.worker)
    assert cluster.get_linked_models("other") == ["fresh"]
    assert cluster.get_model_history("fresh")[-1]["message"] == "for a start"
    assert deploy.message.value == ""
    wait_for("it to be linked no more", lambda: "other" not in deploy.link_to.options)


def test_a_deploy_that_fails_says_why_in_the_panel(cluster: ClipperConnection) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        import no_such_module  # type: ignore[import-not-found]

        return [no_such_module.f(x) for x in inputs]

    broken.__module__ = "__main__"
    panel = cluster._viewing.begin(Panel(cluster, {"broken": broken}))
    panel.deploy.model.value = "broken"
    said = press(panel.deploy.deploy, panel.worker)
    assert "Deploying broken:1 failed." in said
    assert "no_such_module" in said
    cluster.stop_models(["broken"])


def test_the_lens_asks_and_tells_the_path(cluster: ClipperConnection, panel: Panel) -> None:
    lens = panel.lens
    assert lens.ask.button.disabled
    lens.text.value = "1, 2.5"
    assert lens.ask.line.code == "conn.application('app').predict([1.0, 2.5])"
    press(lens.ask, lens.worker)
    assert "one" in lens.ask.said.value
    assert lens.timeline.trace["models"][0]["version"] == "m:1"
    assert "computed for" in lens.path.value
    lens.version.value = "2"
    press(lens.ask, lens.worker)
    assert "two" in lens.ask.said.value
    lens.fresh.value = True
    assert lens.ask.line.code.endswith("predict([1.0, 2.5], version='2', cache=False)")
    press(lens.ask, lens.worker)
    assert lens.timeline.trace["models"][0]["batch"] is not None
    lens.text.value = "what?"
    assert lens.ask.button.disabled
    rows = cluster.lens("app", np.array([[1.0], [7.0]]))
    rows.row.value = 1
    assert rows.ask.line.code == "conn.application('app').predict([7.0])"
    rows.source.value = "an image"
    rows.sketch.pixels = [0.0, 16.0]
    assert rows.input() == [0, 16]


def test_a_policy_is_set_in_the_panel_and_the_lens_tells_what_it_chose(
    cluster: ClipperConnection, panel: Panel
) -> None:
    form = panel.policy
    assert "It has this policy already." in form.set_policy.why_not.value
    form.kind.value = SPLIT
    assert TWO in html.unescape(form.set_policy.why_not.value)
    assert list(form.another.options) == ["m:1", "m:2"]
    form.another.value = "m:2"
    form.add.click()
    assert list(form.another.options) == ["m:1"]
    form.shares.shares = [0.0, 100.0]
    assert "Only one arm has a share." in form.set_policy.why_not.value
    form.shares.shares = [1.0, 99.0]
    form.sticky.value = True
    form.message.value = "to try"
    assert form.set_policy.line.code.endswith(
        "conn.set_policy('app', P.Split({'m': 0.01, 'm:2': 0.99}, sticky='unit'), message='to try')"
    )
    assert "done" in press(form.set_policy, panel.worker)
    assert cluster.get_policy("app") == P.Split({"m": 0.01, "m:2": 0.99}, sticky="unit")
    wait_for("the policy in words", lambda: "split: m 1 %, m:2 99 %, by unit" in form.words.value)
    wait_for("the arms in a table", lambda: "<b>m:2</b>" in form.arms.value)
    assert form.message.value == ""
    panel.lens.text.value = "[1.0]"
    panel.lens.fresh.value = True
    assert re.search(r"Output: \"(one|two)\", by m:[12]", press(panel.lens.ask, panel.lens.worker))
    assert re.search(r"m:[12], chosen by Split with probability 0\.\d+; cache: ", panel.lens.path.value)

    form.kind.value = VOTE
    assert [box.value for box in form.members.has.values()] == [True, True]
    form.members.weight["m:2"].value = 3.0
    form.min_confidence.value = 0.5
    assert form.set_policy.line.code.endswith(
        "P.Vote(['m', 'm:2'], weights={'m': 1.0, 'm:2': 3.0}, min_confidence=0.5))"
    )
    press(form.set_policy, panel.worker)
    said = press(panel.lens.ask, panel.lens.worker)
    assert said == 'Output: "two", of 2 of 2 models, with a confidence of 75%'
    wait_for("what the vote says", lambda: "All agree, or all gave a number, in 0.0 %" in form.arms.value)
    form.members.has["m"].value = False
    assert "Two arms or more vote." in form.set_policy.why_not.value

    assert panel.lens.context.layout.display == "none"
    cluster.set_policy("app", P.LinTS(["m", "m:2"], features=2))
    wait_for("the lens to ask for numbers", lambda: panel.lens.context.layout.display is None)
    assert "features=2" in press(panel.lens.ask, panel.lens.worker)
    panel.lens.context.value = "0.5, -1"
    assert panel.lens.ask.line.code.endswith("predict([1.0], cache=False, context='0.5, -1')")
    assert re.search(r"Output: \"(one|two)\", by m:[12]", press(panel.lens.ask, panel.lens.worker))
    assert re.search(r"m:[12], chosen by LinTS with probability 0\.5", panel.lens.path.value)
    assert (form.learner.arms.value, form.learner.forget.value) == ("m, m:2", P.LinTS(features=2).forget)
    form.learner.kind.value = "exp3"
    assert form.learner.forget.value == P.Exp3().forget
    form.learner.forget.value = 0
    form.learner.arms.value = "m:1, m:2"
    told = "P.Exp3(arms=['m:1', 'm:2'], forget=0.0))"
    assert form.set_policy.line.code.endswith(told)
    form.learner.arms.value = ""
    assert "among two models or more" in form.set_policy.why_not.value
    cluster.set_policy("app", P.First())
    cluster.stop_feedback("app")
    form.kind.value = CASCADE
    assert "Two models or more are asked" in form.set_policy.why_not.value
    form.cascade.arms.value = "m, m:2"
    form.cascade.below.value = 0.8
    assert form.set_policy.line.code.endswith("conn.set_policy('app', P.Cascade(['m', 'm:2'], below=0.8))")
    press(form.set_policy, panel.worker)
    assert press(panel.lens.ask, panel.lens.worker) == 'Output: "two", by m:2'
    wait_for("who goes on", lambda: "the unsure" in form.arms.value)
    assert cluster.get_policy("app") == P.Cascade(["m", "m:2"], 0.8)
    form.kind.value = FIRST
    press(form.set_policy, panel.worker)
    assert "model" not in ask(cluster, "app", {"input": [1.0]}).json()


def test_feedback_is_collected_and_stopped_in_the_panel(cluster: ClipperConnection, panel: Panel) -> None:
    form = panel.application.feedback

    def collects() -> FeedbackOptions | None:
        return cluster._management.feedback_options("app")

    assert form.told.value == "app collects no feedback: its answers have no token."
    assert "It collects none." in form.stop.why_not.value
    assert form.collect.line.code == "conn.collect_feedback('app')"
    form.default_reward.value = "good"
    assert "A default reward is a number from 0 to 1, or nothing." in form.collect.why_not.value
    form.default_reward.value = "0"
    assert form.tolerance.layout.display == "none"
    form.score.value = "within"
    form.tolerance.value = 0.5
    form.window_s.value = 60
    form.percent.value = 10
    line = "window_s=60.0, default_reward=0.0, score='within', tolerance=0.5, sample=0.1"
    assert form.collect.line.code == f"conn.collect_feedback('app', {line})"
    assert "done" in press(form.collect, panel.worker)
    told = "app collects feedback for 60 s after an answer. What nobody spoke of until then counts as 0."
    wait_for("what it collects", lambda: form.told.value == told)
    assert collects() == form.options()
    assert form.options()["tolerance"] == 0.5
    assert "It does so already." in form.collect.why_not.value
    assert form.stop.line.code == "conn.stop_feedback('app')"
    press(form.stop, panel.worker)
    assert collects() is None
    # Who collects it by Python finds it in the form.
    cluster.collect_feedback("app", score="distance", tolerance=3)
    wait_for("what it collects now", lambda: form.tolerance.value == 3)
    assert (form.score.value, form.default_reward.value) == ("distance", "")
    deploy_python_closure(cluster, "n", 1, "doubles", constant("other"))
    cluster.link_model_to_app("app", "n")
    cluster.set_policy("app", P.Thompson())
    wait_for("the policy", lambda: "Its policy learns of it" in form.stop.why_not.value)


def test_what_was_learned_is_a_live_view(cluster: ClipperConnection, panel: Panel) -> None:
    deploy_python_closure(cluster, "n", 1, "doubles", constant("other"))
    cluster.link_model_to_app("app", "n")
    cluster.set_policy("app", P.Thompson())
    app = cluster.application("app")
    view: Any = app.learned._view()
    assert (view.kind, view.regret.layout.display, view.shares.layout.display) == ("application", None, None)
    answers = [app.predict([1.0], cache=False) for _ in range(40)]
    app.feedback(answers, reward=[float(each["output"] == "one") for each in answers], wait=True)
    wait_for("the table", lambda: "40 of 40 answers have had feedback" in view.table.value)

    def regret() -> Any:
        return view.regret.points[-1]["applications"]["app"]["regret"]

    wait_for("the regret", lambda: regret() is not None)
    asked = sum(each["output"] == "other" for each in answers)
    assert 0 < regret()["lost"] <= asked + 1
    assert view.still() == app.learned._repr_html_()
    cluster.set_policy("app", P.First())
    wait_for("nothing to choose", lambda: view.regret.layout.display == "none")


@pytest.mark.usefixtures("changed")
def test_a_rollout_is_started_and_steered_in_the_panel(cluster: ClipperConnection, panel: Panel) -> None:
    form, steering = panel.rollout, panel.rollout.steering
    assert form.version.value == "2"
    assert "no rollout runs" in steering.abort.why_not.value
    assert form.start.line.code == "conn.start_rollout('m', '2')"
    refused = [
        (form.steps, "a, b", "Steps are numbers"),
        (form.steps, "50, 20", "Steps grow"),
        (form.steps, "100", "Make current does that"),
    ]
    for control, wrong, sentence in refused:
        right, control.value = control.value, wrong
        assert sentence in form.start.why_not.value
        control.value = right
    for box in form.guardrails.values():
        box.value = False
    form.observe_only.value = True
    assert "nothing to observe" in form.start.why_not.value
    form.guardrails["late"].value = True
    form.tolerances["late"].value = 2
    form.steps.value = "25"
    assert form.start.line.code == (
        "from clipperlab import policies as P\n"
        "conn.start_rollout('m', '2', steps=[0.25], guardrails=[P.NoMore('late', 2)], observe=True)"
    )
    form.reward.value = True
    form.lower_by.value = 0.05
    assert "guardrails=[P.NoMore('late', 2), P.NoLess('reward', by=0.05)]" in form.start.line.code
    assert "app collects no feedback" in press(form.start, panel.worker)
    form.reward.value = False
    assert "done" in press(form.start, panel.worker)
    wait_for("it in the picture", lambda: form.picture.rollout.get("state") == "running")
    wait_for("its evidence", lambda: form.picture.rollout["evidence"]["guardrails"])
    assert "one runs" in form.start.why_not.value
    assert "it is not paused" in steering.resume.why_not.value
    press(steering.pause, panel.worker)
    wait_for("the pause", lambda: not steering.resume.button.disabled)
    assert "it is paused" in steering.pause.why_not.value
    press(steering.resume, panel.worker)
    assert not steering.abort.button.disabled, "it waits for no reason"
    assert steering.abort.line.code == "conn.rollout('m').abort()"
    steering.message.value = "Friday"
    assert steering.abort.line.code == "conn.rollout('m').abort('Friday')"
    press(steering.abort, panel.worker)
    wait_for("its end", lambda: "Friday" in form.picture.rollout["verdict"])
    assert form.picture.rollout["evidence"]["guardrails"]  # what was known stays
    assert cluster.rollout("m").state == "aborted"


@pytest.mark.usefixtures("changed")
def test_a_shadow_is_started_seen_and_ended_in_the_panel(cluster: ClipperConnection, panel: Panel) -> None:
    form = panel.shadow
    assert "No version of it has been a shadow yet." in form.told.value
    assert "there was no shadow yet" in form.differ.why_not.value
    assert form.start.line.code == "conn.start_shadow('m', '2')"
    form.percent.value = 100
    form.why.value = "two"
    assert form.start.line.code == "conn.start_shadow('m', '2', fraction=1.0, message='two')"
    assert "done" in press(form.start, panel.worker)
    wait_for("it in words", lambda: "m:2</th><td>running, asked for 100%" in form.told.value)
    assert "one runs" in form.start.why_not.value
    wait_for("a pair", lambda: output(cluster) and "0.0% of " in form.told.value)
    assert "[1.0]'one''two'output" in press(form.differ, panel.worker)
    form.message.value = "<seen> enough"
    assert form.stop.line.code == "conn.shadow('m').stop('<seen> enough')"
    press(form.stop, panel.worker)
    wait_for("its end", lambda: "m:2</th><td>stopped" in form.told.value)
    assert "no shadow runs" in form.promote.why_not.value
    assert "<seen> enough" in cluster.events()[-1]["text"]


def test_a_protocol_is_started_seen_and_stopped_in_the_panel(
    cluster: ClipperConnection, panel: Panel
) -> None:
    form, name = panel.protocols, "open-inference-grpc"
    form.protocol.value = name
    assert "It is off." in form.stop.why_not.value
    assert form.ports["rest"].layout.display == "none"  # it has gRPC alone
    form.ports["grpc"].value = "many"
    assert "A port for gRPC is a number" in form.start.why_not.value
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        form.ports["grpc"].value = str(port)
        assert form.start.line.code == f"conn.start_protocol('{name}', grpc_port={port})"
        assert f"The port {port} is taken" in press(form.start, panel.worker)
    assert "done" in press(form.start, panel.worker)
    wait_for("where it is", lambda: f"<code>127.0.0.1:{port}</code>" in form.told.value)
    assert f"{name} at 127.0.0.1:{port} (gRPC)" in panel.head.value
    assert "It is on." in form.start.why_not.value
    assert form.stop.line.code == f"conn.stop_protocol('{name}')"
    assert "done" in press(form.stop, panel.worker)
    wait_for("its end", lambda: name not in panel.head.value)


def test_pictures_and_logs_follow_what_happens(cluster: ClipperConnection, panel: Panel) -> None:
    def asked() -> bool:
        output(cluster)
        points = [
            point["applications"].get("app", {"answers": {}})
            for point in panel.gallery.throughput.points[-5:]
        ]
        return any(point["answers"].get("model") for point in points)

    wait_for("answers in the picture", asked)
    assert panel.gallery.latency.objective_ms == 20_000

    def batches() -> list[object]:
        # Each picture is brought up to date in its turn: this one may have seen nothing yet.
        replicas = [
            replica for frontend in panel.gallery.batches.batching for replica in frontend["replicas"]
        ]
        return [size for replica in replicas for size in replica["sizes"]]

    wait_for("a batch in the picture", batches)

    def replicas() -> object:
        newest = panel.gallery.queue.points[-1]["versions"] if panel.gallery.queue.points else {}
        return newest.get("m:1", {}).get("replicas")

    wait_for("a replica", lambda: replicas() == 1)
    assert any(event["kind"] == "ready" for event in panel.gallery.moves.events)
    wait_for("the frontend's log", lambda: panel.logs.process.value == "query-0")
    panel.logs.process.value = next(name for name in panel.logs.process.options if name.startswith("m.1."))
    wait_for("the replica's log", lambda: "It has said nothing" in panel.logs.text.value)


def test_pictures_begin_with_what_is_asked_and_are_chosen_beside_them(
    cluster: ClipperConnection, panel: Panel
) -> None:
    cluster.register_application("aaa", "doubles", -1, 20_000_000)
    output(cluster)

    def counted() -> bool:
        points = cluster._viewing.watch.seen.points
        return any(point["applications"].get("app", {"answers": {}})["answers"] for point in points)

    wait_for("the query to be counted", counted)
    later = cluster._viewing.begin(Panel(cluster, {}))
    gallery = later.gallery
    assert (gallery.application.value, gallery.version.value) == ("app", "m:1")
    assert (gallery.throughput.name, gallery.queue.name, gallery.moves.name) == ("app", "m:1", "m")
    gallery.version.value = "m:2"
    gallery.application.value = "aaa"  # which asks no model: the version stays
    wait_for("the other application's picture", lambda: gallery.throughput.name == "aaa")
    wait_for("the other version's picture", lambda: gallery.queue.name == "m:2")
    assert later.model.version.value == "1"


def test_a_version_that_failed_has_a_sentence_in_place_of_pictures(
    cluster: ClipperConnection, panel: Panel
) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError("no")

    with pytest.raises(DeployError):
        deploy_python_closure(cluster, "aa", 1, "doubles", broken, example_input=[1.0])
    later = cluster._viewing.begin(Panel(cluster, {}))
    assert later.model.model.value != "aa"
    later.gallery.version.value = "aa:1"
    wait_for("the sentence", lambda: "aa:1 failed" in later.gallery.nothing.value)
    wait_for("the picture to go", lambda: later.gallery.queue.layout.display == "none")
    cluster.stop_models(["aa"])


def _says(action: Action, words: str) -> bool:
    return words in action.why_not.value


@pytest.mark.slow
def test_every_view_says_what_is_wrong_and_recovers(cluster: ClipperConnection, panel: Panel) -> None:
    assert panel.banner.value == ""
    kill(pid_of(cluster, "management"))
    wait_for("the sentence", lambda: "does not answer" in panel.banner.value)
    assert panel.reconnect.layout.display == "flex"
    for action in (panel.model.scale, panel.application.link, panel.application.register):
        # And not only that it wants a name.
        wait_for("what cannot work to say so", partial(_says, action, "cluster does not answer"))
        assert action.button.disabled
    assert not panel.reconnect.button.disabled
    press(panel.reconnect, panel.reconnect._worker)
    wait_for("the sentence to go", lambda: panel.banner.value == "")
    cluster.stop_all()
    wait_for("the sentence", lambda: "is not running" in panel.banner.value)
    wait_for("what is old to look old", lambda: "as it was at" in panel.versions.value)
    cluster.start_clipper()
    wait_for("the sentence to go", lambda: panel.banner.value == "")
    wait_for("what is new to look new", lambda: "as it was at" not in panel.versions.value)
    assert "m:1" in panel.versions.value
    wait_for("the buttons to work again", lambda: not panel.model.scale.button.disabled)
    assert panel.model.scale.why_not.value == ""


def test_a_wrong_token_is_said_and_recovered_from(cluster: ClipperConnection) -> None:
    record = ProcessContainerManager(cluster.cm.cluster_name).folder / "cluster.json"
    right = record.read_text()
    record.write_text(re.sub('"token":"[^"]*"', '"token":"wrong"', right))
    viewing = Viewing(cluster.cm)
    try:
        view = viewing.begin(ConnectionView(cluster))
        wait_for("the sentence", lambda: "token is missing or wrong" in view.banner.value)
    finally:
        record.write_text(right)
    wait_for("the sentence to go", lambda: view.banner.value == "")
    assert "workbench" in view.head.value
    viewing.end()


def test_the_oldest_of_too_many_views_rests(cluster: ClipperConnection) -> None:
    views = [cluster._viewing.begin(ConnectionView(cluster)) for _ in range(LIVE + 1)]
    assert "rests" in views[0].banner.value
    assert views[1].banner.value == ""


def test_nobody_watches_where_nobody_looks(cluster: ClipperConnection) -> None:
    watch = Watch(cluster.cm)
    seen: list[str] = []
    end = watch.listen(lambda found, _: seen.append(found.trouble))
    wait_for("a look", lambda: seen)
    thread = watch._thread
    assert thread is not None
    end()
    thread.join(60)
    assert not thread.is_alive()


def test_handles_are_text_where_there_is_no_notebook(cluster: ClipperConnection, panel: Panel) -> None:
    assert cluster.model("m")._repr_mimebundle_() == {}
    assert "m:1" in cluster._repr_html_()
    assert "app" in cluster.application("app")._repr_html_()


@pytest.mark.usefixtures("changed")
def test_a_saved_notebook_says_what_a_live_view_was_and_when(
    cluster: ClipperConnection, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipperlab.display.in_notebook", lambda: True)
    cluster.start_rollout("m", 2, steps=[0.5]).abort()
    cluster._viewing.watch.look()
    views: list[tuple[Any, str, str]] = [
        (cluster, "cluster", ""),
        (panel, "panel", ""),
        (cluster.application("app"), "application", "app"),
        (cluster.lens("app"), "application", "app"),
        (cluster.model("m"), "model", "m"),
        (cluster.rollout("m"), "rollout", "m"),
    ]
    for shown, kind, name in views:
        bundle = shown._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert bundle[MIME] == {"cluster": cluster.cm.cluster_name, "kind": kind, "name": name}
        assert re.search(r"as it was at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", bundle["text/html"])
        assert name in bundle["text/html"]
        assert "children=" not in bundle["text/plain"]
        assert "<script" not in bundle["text/html"]
        assert cluster._record.token not in json.dumps(bundle)
    tables = panel._repr_mimebundle_()["text/html"]
    assert "m:1" in tables
    assert "app" in tables


def test_what_can_be_deployed() -> None:
    sklearn = pytest.importorskip("sklearn.dummy")

    class Model:
        def predict(self, inputs: list[Any]) -> list[Any]:
            return inputs

    Model.__module__ = "__main__"
    namespace = {
        "f": constant(1),
        "fitted": sklearn.DummyClassifier(),
        "Model": Model,
        "_g": constant(1),
        "x": 1,
    }
    found = {deployable.name: deployable.kind.words for deployable in deployables(namespace)}
    assert found == {"f": "function", "fitted": "scikit-learn model", "Model": "class"}


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.stem)
def test_a_picture_is_small_and_whole(path: Path) -> None:
    text = esm(path.stem)
    assert len(text.encode()) < 60_000
    if path.stem != "drawing":
        assert "export default" in text
        assert "import " not in text.replace("// ", "")
        assert text.count("export ") == 1
