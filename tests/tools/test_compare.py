"""`make compare`: what the page says of given figures, what each system must have, and a run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.tools.compare.asking import LeftOut
from tests.tools.compare.page import page
from tests.tools.compare.peer import ROOT, Peer, Place
from tests.tools.compare.peers import PEERS
from tests.tools.compare.running import running
from tests.tools.compare.served.models import MODELS
from tests.tools.compare.winners import winners
from tests.tools.compare.workloads import WORKLOADS, Task

PINS = ROOT / "tests" / "tools" / "peers"


def seen(*rates: float, p50_ms: float = 1.0, p99_ms: float = 2.0) -> dict[str, Any]:
    one = {"p50_ms": p50_ms, "p99_ms": p99_ms, "errors": 0}
    middle = sorted(rates)[len(rates) // 2]
    return {"rate": middle, **one, "rounds": [{"rate": rate, **one} for rate in rates]}


def results(rounds: int = 3, load: float = 0.1, **rates: Sequence[float]) -> dict[str, Any]:
    machine = {
        "cores": 2,
        "processor": "a processor",
        "memory_gib": 8.0,
        "system": "a system",
        "wrk": "wrk 4",
    }
    return {
        "machine": {**machine, "wrk": "wrk 4 [epoll]", "commit": "abc", "load_before": load},
        "command": "python -m tests.tools.compare",
        "rounds": rounds,
        "seconds": 2,
        "start_warm_s": 2,
        "warm_s": 1,
        "seed": 7,
        "peers": {
            name: {
                "name": PEERS[name].name,
                "settings": "as it comes",
                "versions": {"python": "3.11"},
                "workloads": {workload.name: seen(*of) for workload in WORKLOADS},
            }
            for name, of in rates.items()
        },
    }


def test_who_wins_is_what_the_figures_show() -> None:
    figures = [
        ("Slow", seen(90, 100, 110)),
        ("Quick", seen(390, 400, 410, p50_ms=3)),
        ("Ours", seen(180, 200, 220, p99_ms=1.5)),
    ]
    assert winners(figures, "Ours") == (
        "Quick answers the most, 400 a second, 2.0 times as many as Ours. Slow answers the fewest, 100. "
        "Ours is number 2 of 3, with 50% of Quick's rate. "
        "Slow has the shortest p50, 1.00 ms, and Ours the shortest p99, 1.50 ms."
    )
    assert "number" not in winners(figures, "Quick")


def test_whose_rounds_overlap_are_not_told_apart() -> None:
    said = winners([("One", seen(90, 100, 110)), ("Two", seen(85, 95, 105))], None)
    assert said.startswith("One and Two answer the most, 100 and 95 a second, and are not told apart")


def test_nobody_wins_where_nobody_answers() -> None:
    none = {"rate": 0.0, "p50_ms": None, "p99_ms": None, "errors": 9, "rounds": [{"rate": 0.0}]}
    said = winners([("One", none), ("Two", seen(5))], None)
    assert said.startswith("Two answers the most, 5 a second, and nothing comes from One.")
    assert winners([("One", none), ("Two", none)], None).endswith("None answered in time.")


def test_a_page_has_each_table_sorted_and_says_who_was_left_out() -> None:
    found = results(ours=[90, 100, 110], fastapi=[900, 1000, 1100])
    found["peers"]["ray"] = {"name": "Ray Serve", "left_out": "It ended with status 1. No room."}
    text = page(found)
    tables = re.findall(r"^### (.+)\n\n((?:\|.*\n)+)", text, re.M)
    assert [name for name, _ in tables] == [workload.name for workload in WORKLOADS]
    for _, table in tables:
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
        assert rows == [
            ["FastAPI", "1,000", "900 to 1,100", "1.00", "2.00", "0"],
            ["Clipper Lab", "100", "90 to 110", "1.00", "2.00", "0"],
        ]
    assert (
        "- **single at 1**: FastAPI answers the most, 1,000 a second, 10.0 times as many as Clipper Lab."
        in text
    )
    assert "- Ray Serve: It ended with status 1. No room." in text
    assert "other work" not in text
    assert "{" not in text.replace("```{", "")


def test_a_page_of_one_round_or_of_one_system_names_no_winner() -> None:
    for found in (results(rounds=1, ours=[1.0], fastapi=[2.0]), results(ours=[1.0, 1.0, 1.0])):
        assert "answers the most" not in page(found)


def test_a_page_says_that_the_machine_was_busy() -> None:
    assert "a load of 3.0 before the run" in page(results(load=3.0, ours=[1.0]))


@pytest.mark.parametrize("name", PEERS)
def test_each_system_has_what_it_must_have(name: str, tmp_path: Path) -> None:
    peer = PEERS[name]
    command = peer.command(
        Place([*MODELS], [20_001, 20_002, 20_003, 20_004, 20_005], tmp_path, Path("/programs"))
    )
    assert str(command[0]).startswith("/programs/")
    assert peer.settings
    told = " ".join(map(str, command)) + "".join(
        file.read_text() for file in tmp_path.rglob("*") if file.suffix in (".json", ".properties")
    )
    assert "20001" in told
    for model in MODELS:
        path, body = peer.request(model, [1.0, 2.0])
        assert model in path
        assert "[1.0, 2.0]" in json.dumps(body)
    if peer.environment is not None:
        pins = (PINS / f"{peer.environment}.txt").read_text().splitlines()
        ours = (ROOT / "constraints.txt").read_text().splitlines()
        assert next(line for line in ours if line.startswith("scikit-learn==")) in pins
        compared = re.search(r"^COMPARED :=(.*)$", (ROOT / "Makefile").read_text(), re.M)
        assert compared
        assert peer.environment in compared[1].split()


def server(code: str) -> Peer:
    """A system of a few lines of Python, which finds its port in `port`."""

    def command(place: Place) -> Sequence[str]:
        return [sys.executable, "-c", f"port = {place.port}\n{code}"]

    return Peer("A system", None, [], "none", command, lambda model, row: (f"/{model}", row), float)


ONE = {"sums": Task([[1.0]], [1.0])}
ANSWERS = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"1.0")
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_a_system_that_does_not_start_is_left_out_with_its_last_words(tmp_path: Path) -> None:
    peer = server("print('no room'); raise SystemExit(3)")
    with pytest.raises(LeftOut, match=r"status 3\..*: no room"), running(peer, tmp_path, ONE):
        pass


def test_one_that_is_not_made_says_what_makes_it(tmp_path: Path) -> None:
    peer = Peer("A system", "nowhere", [], "none", lambda place: [], lambda model, row: ("/", row), float)
    with pytest.raises(LeftOut, match=r"`make build/peers/nowhere/\.made`"), running(peer, tmp_path, ONE):
        pass


def test_one_that_needs_what_is_not_here_says_so(tmp_path: Path) -> None:
    peer = Peer(
        "A system", None, [], "none", lambda place: [], lambda model, row: ("/", row), float, ["no-such-java"]
    )
    with pytest.raises(LeftOut, match="It needs no-such-java"), running(peer, tmp_path, ONE):
        pass


def test_what_a_system_started_ends_with_it_also_after_a_failure(tmp_path: Path) -> None:
    orphan = "import subprocess, sys\nchild = 'import time; time.sleep(600)'\n"
    orphan += "subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n"
    left: list[psutil.Process] = []

    def fail() -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # of other tests', which may be over
                if "sleep(600)" in " ".join(child.cmdline()):
                    left.append(child)
        raise LeftOut("on purpose")

    with pytest.raises(LeftOut, match="on purpose"), running(server(orphan + ANSWERS), tmp_path, ONE):
        fail()
    assert left
    assert not [process for process in left if process.is_running()]


def test_a_wrong_answer_leaves_a_system_out(tmp_path: Path) -> None:
    task = Task([[1.0], [2.0]], [1.0, 2.0])
    wrong = pytest.raises(LeftOut, match="1 of its 2 answers for sums are wrong: 1, and not 2")
    with wrong, running(server(ANSWERS), tmp_path, ONE) as system:
        system.check("sums", task)


@pytest.mark.slow
def test_ours_and_fastapi_are_compared(tmp_path: Path) -> None:
    found, text = tmp_path / "results.json", tmp_path / "page.md"
    command = [sys.executable, "-m", "tests.tools.compare", "ours", "fastapi", "--smoke"]
    subprocess.run([*command, "--results", found, "--page", text], check=True, cwd=ROOT, timeout=280)
    peers = json.loads(found.read_text())["peers"]
    for peer in peers.values():
        assert "left_out" not in peer, peer["left_out"]
        for workload in WORKLOADS:
            assert peer["workloads"][workload.name]["rate"] > 0
    assert "Clipper Lab" in text.read_text()
