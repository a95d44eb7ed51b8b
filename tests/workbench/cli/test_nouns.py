"""Applications, models, loads and logs by the command line, run in this process, which is quicker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clipperlab import ClipperConnection
from clipperlab import policies as P
from tests.support.clusters import constant
from tests.support.waiting import wait_for
from tests.workbench.cli.conftest import Run


@pytest.mark.slow
def test_every_noun_can_be_made_and_ended(cluster: ClipperConnection, run: Run) -> None:
    assert "No applications yet: `clipperlab register` makes one." in run("apps").stdout
    said = run("register", "digits", "--input-type", "doubles", "--slo-ms", "5000", "--default", "-1").stdout
    assert "digits answers at http://" in said
    unlinked = run("predict", "digits", "[1]", code=3)
    assert unlinked.stdout == "-1\n"
    assert "Link one with `clipperlab link`." in unlinked.stderr
    assert "Link one with `clipperlab link`." in run("why").stdout
    misfit = str(run("predict", "digits", '"abc"', code=1).exception)
    assert misfit.endswith("An input is a list of numbers, such as [1.0, 2], with null for NaN.")
    for value in (1, 2):
        cluster.deploy(constant(value), "digits", example_input=[1.0])
    assert run("link", "digits", "digits").stdout == "digits answers digits.\n"
    assert run("predict", "digits", "[[1], [2]]").stdout == "[2, 2]\n"
    (listed,) = json.loads(run("apps", "--json").stdout)
    assert (listed["name"], listed["linked_models"], listed["default_output"]) == ("digits", ["digits"], -1)
    shown = run("apps").stdout.split()
    assert shown[-5:] == ["doubles", "5000", "ms", "-1", "digits"]

    assert "to digits (clipper), at query frontend 0: answered" in run("why").stdout
    told = run("status").stdout
    assert "1 query frontend, serving (pid " in told
    result = json.loads(run("load", "digits", "--rate", "40", "--seconds", "0.2", "--json").stdout)
    assert result["answers"]["model"] == result["sent"]
    assert "good" in run("load", "digits", "--rate", "40", "--seconds", "0.2", "--input", "[5]").stdout

    cluster.deploy(constant(3), "other", example_input=[1.0])
    run("link", "digits", "other")
    assert run("policy", "digits").stdout == "digits is answered by its first linked model.\n"
    said = run("policy", "digits", "--split", "digits=0.5, other=0.5", "--sticky", "-m", "to compare").stdout
    assert said == "digits is answered by one of digits 50 %, other 50 %, the same for each unit.\n"
    theirs = {run("predict", "digits", f"[{i}]", "--unit", "ann").stdout for i in range(20)}
    assert theirs in ({"2\n"}, {"3\n"})
    text = run("policy", "digits").stdout
    assert text.startswith(said)
    assert "  split: digits 50 %, other 50 %, by unit  " in text
    assert text.endswith("  to compare\n")
    told = json.loads(run("policy", "digits", "--json").stdout)
    assert (told["policy"]["sticky"], told["history"][0]["message"]) == ("unit", "to compare")
    voting = ("--vote", "digits,other", "--min-confidence", "0.9", "--early")
    assert "a vote of digits, other, with the default output below" in run("policy", "digits", *voting).stdout
    assert run("predict", "digits", "[4]", code=3).stdout == "-1\n"
    cascading = ("--cascade", "digits, other", "--below", "0.9", "--rule", "max")
    assert "which goes on below a confidence of 0.9" in run("policy", "digits", *cascading).stdout
    assert json.loads(run("policy", "digits", "--json").stdout)["policy"]["rule"] == "max"
    for wrong, why in (
        (("--cascade", "digits,other"), "--cascade needs --below"),
        (("--below", "0.9"), "are options of --cascade"),
        (("--split", "digits=half"), "arms with their shares"),
        (("--sticky",), "an option of --split"),
        (("--early",), "options of --vote"),
        (("--learned",), "options of --vote"),
        (("--first", "--vote", "digits,other"), "Give one of"),
        (("--learn", "lints"), "needs --features"),
        (("--learn", "ucb", "--features", "2"), "needs --features"),
        (
            ("--learn", "ucb", "--eta", "1"),
            "--eta is no option of --learn ucb: it has arms, c, ",
        ),
        (("--split", "digits=1", "--forget", "0"), "options of --learn"),
        (("--vote", "digits=1,other=2", "--learned"), "leave one of both out"),
    ):
        assert why in str(run("policy", "digits", *wrong, code=1).exception)
    run("policy", "digits", "--vote", "digits=1, other=2", "--missing", "mean")
    weighed = P.Vote(["digits", "other"], {"digits": 1, "other": 2}, missing="mean")
    assert cluster.get_policy("digits") == weighed
    run("policy", "digits", "--vote", "digits,other", "--learned", "--forget", "0.01")
    assert cluster.get_policy("digits") == P.Vote(["digits", "other"], "learned", forget=0.01)
    for words, policy in (
        ("greedy --arms digits,other:1 --explore 0.2", P.Greedy(0.2, ["digits", "other:1"])),
        ("exp3 --eta 0.1 --forget 0", P.Exp3(["digits", "other"], eta=0.1, forget=0)),
        ("ucb --c 0.5", P.UCB(["digits", "other"], c=0.5)),
    ):
        run("policy", "digits", "--learn", *words.split())
        assert cluster.get_policy("digits") == policy
    said = run("policy", "digits", "--learn", "thompson").stdout
    assert said == "digits is answered by thompson, which learns among digits, other.\n"
    token = json.loads(run("predict", "digits", "[5]", "--json").stdout)["feedback_token"]
    assert run("feedback", "digits", token, "--reward", "1", "--wait").stdout == "Written.\n"
    assert json.loads(run("learned", "digits", "--json").stdout)["joined"] == 1
    assert "1 of 1 answers have had feedback" in run("learned", "digits").stdout
    assert "a reward, from 0 to 1, or the label" in str(run("feedback", "digits", token, code=1).exception)
    said = run("collect", "digits", "--window-s", "600", "--inputs").stdout
    assert said == "digits takes feedback for 600 s after an answer.\n"
    asked = json.loads(run("predict", "digits", "[6]", "--json").stdout)
    right = ("--label", str(asked["output"]), "--input", "[6]", "--wait")
    assert run("feedback", "digits", asked["feedback_token"], *right).stdout == "Written.\n"

    def of_it() -> Any:
        told = [json.loads(line) for line in run("decisions", "digits").stdout.splitlines()]
        found = [each for each in told if each["query_id"] == asked["query_id"] and each["rewards"]]
        return found[0] if found else None

    decided = wait_for("the query log", of_it)
    assert decided["input"] == [6.0]
    assert decided["rewards"] == [[decided["arms"][0], 1.0]]
    assert len(run("decisions", "digits", "--limit", "1").stdout.splitlines()) == 1
    only = f"{decided['arms'][0]}=1"
    assert "decisions, worth" in run("evaluate", "digits", "--split", only).stdout
    assert json.loads(run("evaluate", "digits", "--split", only, "--json").stdout)["value"] == 1.0
    assert "Give one of --split and --first" in str(run("evaluate", "digits", code=1).exception)
    assert "needs feedback" in str(run("collect", "digits", "--stop", code=1).exception)
    said = run("policy", "digits", "--learn", "lints", "--features", "2").stdout
    assert said == "digits is answered by lints, which learns among digits, other by 2 numbers a query.\n"
    assert run("predict", "digits", "[5]", "--context", "0.5,-1").stdout in ("2\n", "3\n")
    assert "features=2" in str(run("predict", "digits", "[5]", code=1).exception)
    run("policy", "digits", "--first")
    assert run("collect", "digits", "--stop").stdout == "digits takes no feedback any more.\n"
    run("unlink", "digits", "other")
    run("remove", "other")

    assert "HTTP Request" not in run("logs", "management", "-n", "1000").stdout, "of what it was asked"
    for name in ("digits:2", "digits:2:0", "digits.2.0"):
        assert "digits.2.0: " not in run("logs", name).stdout
    assert {line.partition(": ")[0] for line in run("logs", "digits").stdout.splitlines()} <= {
        "digits.1.0",
        "digits.2.0",
    }
    assert "There is no log 'nobody'" in str(run("logs", "nobody", code=1).exception)

    assert run("unlink", "digits", "digits").stdout == "digits answers digits no more.\n"
    assert run("remove", "digits", "--inactive").stdout == "digits has version 2 left.\n"
    assert "Give either" in str(run("remove", "digits", "--inactive", "--version", "2", code=1).exception)
    assert run("remove", "digits", "--version", "2").stdout == "digits has no version any more.\n"
    assert run("unregister", "digits").stdout == "digits is removed.\n"
    assert cluster.get_all_apps() == []


def test_clusters_are_listed_and_told_of_where_another_is_meant(cluster: ClipperConnection, run: Run) -> None:
    name = cluster.cm.cluster_name
    (found,) = json.loads(run("clusters", "--json").stdout)
    assert found == {
        "name": name,
        "state": "running",
        "query": cluster.get_query_addr(),
        "management": cluster.get_management_addr(),
    }
    assert run("clusters").stdout.split()[4:6] == [name, "running"]
    failed = run("status", "--cluster-name", "other", code=1)
    assert str(failed.exception).endswith(f"Clusters that run: {name}.")
