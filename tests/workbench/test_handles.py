from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("IPython", reason="names complete in a notebook")

from IPython.core.completer import IPCompleter, provisionalcompleter
from rich.console import Console

from clipper_container.errors import TooLarge
from clipperlab import AlreadyExists, BadRequest, ClipperConnection, NotFound
from clipperlab.cli.summary import summarise, versions_of
from clipperlab.deployers.python import create_endpoint, deploy_python_closure
from clipperlab.operations import Deployed
from tests.support.clusters import constant


@pytest.fixture
def model(conn: ClipperConnection) -> str:
    name = "handled"
    if conn.get_app_info(name) is None:
        conn.register_application(name, "doubles", "none", 20_000_000)
        for version in ("one", "two", "three"):
            deploy_python_closure(conn, name, version, "doubles", constant(version), message=f"for {version}")
        conn.link_model_to_app(name, name)
    conn.set_model_version(name, "three")
    return name


def test_an_application_is_asked_and_shown(conn: ClipperConnection, model: str) -> None:
    app = conn.application(model)
    answer = app.predict([1.0])
    assert answer["output"] == "three"
    assert app.predict([1.0], version="one", timeout_micros=15_000_000)["output"] == "one"
    assert f"Query {answer['query_id']}" in str(app.why(answer["query_id"]))
    for text in (repr(app), app._repr_html_()):
        assert app.url in text
        assert "20000 ms" in text
    app.unlink(model)
    assert "it answers the default output" in repr(app)
    app.link(model)
    for given in (np.array([1.0, np.nan]), [np.float32(1)], [1.0, float("nan")]):
        assert app.predict(given, timeout_micros=np.int64(900_000))["output"] == "three"  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=r"no infinity"):
        app.predict([float("inf")])
    with pytest.raises(BadRequest, match=r"`\$\.input`\. An input is a list of numbers, .* for NaN\.$"):
        app.predict("no list")
    with pytest.raises(BadRequest, match=r"timeout_micros`.*\"timeout_micros\": a number"):
        app.predict([1.0], timeout_micros="soon")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=r"it holds an object\. Give numbers"):
        app.predict([object()])
    for several in (np.array([[1.0], [2.0]]), [[1.0], [2.0]]):
        assert [answer["output"] for answer in app.predict(several)] == ["three", "three"]
    answers = app.predict_batch([np.array([1.0])], version="one", timeout_micros=15_000_000)
    assert [answer["output"] for answer in answers] == ["one"]
    with pytest.raises(TooLarge, match="20000"):
        app.predict([[1]] * 20_001)
    with pytest.raises(NotFound, match="Applications:"):
        conn.application("nonsuch")


def test_a_model_moves_back_and_forth_and_tells_who_moved_it(conn: ClipperConnection, model: str) -> None:
    handle = conn.model(model)
    assert handle.current_version == "three"
    assert handle.rollback(message="it was <worse>") == "two"
    assert conn.application(model).predict([1.0])["output"] == "two"
    handle.set_version("three", message="it was not")
    moves = [(move["move"], move["version"], move["message"]) for move in handle.history]
    assert moves[:3] == [("deploy", v, f"for {v}") for v in ("one", "two", "three")]
    assert moves[-2:] == [("rollback", "two", "it was <worse>"), ("set", "three", "it was not")]
    assert handle.history[-1]["who"]
    assert "rolled back to two" in repr(handle.history)
    assert "it was &lt;worse&gt;" in handle.history._repr_html_()
    for text in (repr(handle), handle._repr_html_()):
        assert "three (current)" in text
        assert "1 of 1 ready" in text
    handle.scale(2, "one")
    assert "2 of 2 ready" in repr(handle)
    handle.scale(1, "one")
    assert "learned" in str(handle.batching())
    with pytest.raises(NotFound, match="Models:"):
        conn.model("nonsuch")


def test_what_is_under_way_is_seen_where_one_looks_first(conn: ClipperConnection, model: str) -> None:
    app, handle = conn.application(model), conn.model(model)
    for shown in (app, handle):
        assert "others" not in repr(shown)
    handle.start_shadow("two", fraction=0.5)
    handle.start_rollout("one", steps=[0.25, 1], hold_s=600)
    lines = [
        f"{model}:one has 25 % of the queries, {model}:three the others: a rollout, at step 1 of 2, running",
        f"{model}:two is asked too for 50 % of the inputs, and answers nobody: a shadow",
    ]
    assert handle.under_way == lines
    for page in (repr(app), app._repr_html_(), repr(handle), handle._repr_html_(), conn._repr_html_()):
        assert all(line in page for line in lines), page
    told = io.StringIO()
    console = Console(file=told, width=200)
    console.print(summarise(conn._management, conn.status(), []))
    console.print(versions_of(handle))
    for line in lines:
        assert told.getvalue().count(line) == 2
    handle.rollout.abort()
    handle.shadow.stop()
    assert handle.under_way == []
    assert "a rollout" not in repr(app)


def test_names_complete_by_tab(conn: ClipperConnection, model: str) -> None:
    complete: Any = IPCompleter
    for line in ('conn.models["', 'conn.applications["ha'):
        with provisionalcompleter():
            completer = complete(namespace={"conn": conn}, use_jedi=False)
            assert {found.text for found in completer.completions(line, len(line))} == {model}
    assert conn.models[model].current_version == "three"
    assert conn.applications[model].predict([1.0])["output"] == "three"
    assert list(conn.models) == [model]
    assert (len(conn.applications), repr(conn.applications)) == (1, f"<{model}>")
    assert "nonsuch" not in conn.models
    with pytest.raises(NotFound, match="Models: handled"):
        conn.models["nonsuch"]
    alone = ClipperConnection()
    assert alone.models._ipython_key_completions_() == []
    assert "not attached" in repr(alone.applications)


def test_a_staged_version_answers_those_who_ask_for_it(conn: ClipperConnection, model: str) -> None:
    deploy_python_closure(conn, model, "staged", "doubles", constant("staged"), make_current=False)
    app = conn.application(model)
    assert app.predict([1.0])["output"] == "three"
    assert app.predict([1.0], version="staged")["output"] == "staged"
    conn.stop_versioned_models({model: ["staged"]})
    conn.stop_inactive_model_versions([model])
    assert [v["model_version"] for v in conn.model(model).versions] == ["three"]
    conn.stop_models([model])
    conn.unregister_application(model)


def test_a_deploy_that_is_not_waited_for_is_waited_for_later(conn: ClipperConnection) -> None:
    deploy_python_closure(conn, "later", 1, "doubles", constant(1), wait=False)
    conn.wait_until_ready("later", 1)
    assert conn.get_current_model_version("later") == "1"
    conn.stop_models(["later"])


def test_whatever_can_be_deployed_is_and_the_same_again_is_not(cluster: ClipperConnection) -> None:
    first = cluster.deploy(constant(1), "again", input_type="strings")
    assert str(first.deployed) == "again:1 is ready, and current."
    assert first.versions[0]["input_type"] == "strings"
    again = cluster.deploy(constant(1), "again")
    assert str(again.deployed) == "again:1 is this very model already, and current: nothing was deployed."
    named = deploy_python_closure(cluster, "again", 1, "strings", constant(1))
    assert named.deployed == again.deployed
    with pytest.raises(AlreadyExists, match=r'2 is free, and the version "next" counts by itself'):
        deploy_python_closure(cluster, "again", 1, "strings", constant(2))
    second = cluster.deploy(constant(2), "again", None, make_current=False)
    assert second.deployed == Deployed("again", "2", True, "not current")
    assert second.current_version == "1"
    assert [v["model_version"] for v in second.versions] == ["1", "2"]


def test_an_endpoint_that_is_made_again_stays_as_it_is(cluster: ClipperConnection) -> None:
    def make(value: int, slo_ms: float = 5000) -> Any:
        return create_endpoint(cluster, "whole", "d", constant(value), default_output=-1, slo_ms=slo_ms)

    assert make(1).predict([1.0])["output"] == 1
    cluster.unlink_model_from_app("whole", "whole")
    assert make(1).predict([1.0])["output"] == 1
    with pytest.raises(AlreadyExists, match="Version 1 of model whole exists"):
        make(2)
    with pytest.raises(AlreadyExists, match="whole"):
        make(1, slo_ms=1000)
    assert cluster.application("whole").predict([1.0])["output"] == 1
    assert cluster.get_all_models() == ["whole:1"]
