"""`clipperlab demo`: a model of handwritten digits is deployed, improved, rolled back and scaled out.

Everything printed is measured in this run. The exit code is 0 only where every promise held.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console

from clipper_container.errors import ClipperException, ClusterError

from ..connection import ClipperConnection
from ..deployers.sklearn import deploy_sklearn_model
from ..places.process import ProcessContainerManager
from .app import command, console

NAME = "digits"
DEFAULT_OUTPUT = -1
SLO_MICROS = 500_000
SEED = 0
# Every answer shall be a model's own, and be computed.
HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
PLAIN_SAMPLES = 100  # what version 1 gets to see
CLIENTS = 8  # connections that send at the same time
REPLICAS = 3


@dataclass(frozen=True)
class Digits:
    """Images of 8 by 8 pixels as lists of 64 numbers, and the digits that they show."""

    plain: Any
    better: Any
    images: list[list[float]]
    labels: list[int]


@dataclass(frozen=True)
class Answers:
    """What came back for one query after the other."""

    outputs: list[Any]
    defaults: int
    latencies_s: list[float]

    def accuracy(self, labels: list[int]) -> float:
        return sum(bool(a == b) for a, b in zip(self.outputs, labels, strict=True)) / len(labels)

    def percentile_ms(self, percent: int) -> float:
        percentiles: list[float] = statistics.quantiles(self.latencies_s, n=100, method="inclusive")
        return 1000 * percentiles[percent - 1]


@command("demo")
def demo() -> None:
    """Serve a model of handwritten digits: deploy, roll forward, roll back, scale out. Under a minute."""
    raise typer.Exit(run(console()))


def run(console: Console) -> int:
    """The whole demo; returns the exit code. Its cluster is its own, and is gone afterwards."""
    console.print("Training two models on scikit-learn's handwritten digits ...")
    digits = train()
    conn = ClipperConnection(ProcessContainerManager("demo"))
    try:
        with console.status("Starting a cluster ..."):
            began = time.monotonic()
            conn.start_clipper(fresh=True)
        console.print(f"Cluster [bold]demo[/] started in {time.monotonic() - began:.1f} s.")
        broken = _serve(conn, digits, console)
    finally:
        conn.stop_all(purge=True)
    if broken:
        sys.stderr.write(f"The demo did not hold: {'; '.join(broken)}.\n")
        return 1
    console.print("[green]Everything held.[/] The cluster is stopped and removed.")
    return 0


def train() -> Digits:
    try:
        from sklearn.datasets import load_digits
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split
        from sklearn.svm import SVC
    except ModuleNotFoundError:
        raise ClipperException('The demo needs scikit-learn: pip install "clipperlab[lab]"') from None
    data = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.5, random_state=SEED, stratify=data.target
    )
    plain = LogisticRegression(max_iter=5000, random_state=SEED)
    plain.fit(x_train[:PLAIN_SAMPLES], y_train[:PLAIN_SAMPLES])
    better = SVC(gamma=0.001, random_state=SEED).fit(x_train, y_train)
    return Digits(plain, better, x_test.tolist(), y_test.tolist())


def _serve(conn: ClipperConnection, digits: Digits, console: Console) -> list[str]:
    """The story. Returns what did not hold, in words."""
    rounds: dict[str, Answers] = {}
    address = conn.get_query_addr()

    def measure(what: str) -> Answers:
        answers = rounds[what] = send(address, digits.images)
        console.print(
            f"{what:<24} {answers.accuracy(digits.labels):>9.2%} {answers.percentile_ms(50):>8.1f} ms "
            f"{answers.percentile_ms(99):>8.1f} ms {answers.defaults:>10}"
        )
        return answers

    conn.register_application(NAME, "doubles", DEFAULT_OUTPUT, SLO_MICROS)
    deploy_sklearn_model(conn, NAME, 1, "doubles", digits.plain, example_input=digits.images[0])
    conn.link_model_to_app(NAME, NAME)
    console.print(
        f"Each round sends {len(digits.images)} images to http://{address}/{NAME}/predict, one by one,"
    )
    console.print(f"from {CLIENTS} connections. The objective is {SLO_MICROS // 1000} ms.\n")
    console.print(f"[bold]{'':<24} {'accuracy':>9} {'p50':>11} {'p99':>11} {'defaults':>10}[/]")

    first = measure("version 1")
    deploy_sklearn_model(conn, NAME, 2, "doubles", digits.better, example_input=digits.images[0])
    second = measure("version 2")
    conn.set_model_version(NAME, 1)
    again = measure("back to version 1")
    conn.set_num_replicas(NAME, REPLICAS)
    before = _settled_counts(conn, sent=2 * len(digits.images))
    measure(f"version 1, {REPLICAS} replicas")
    after = _settled_counts(conn, sent=3 * len(digits.images))
    shares = [count - before.get(replica, 0) for replica, count in sorted(after.items())]
    console.print(f"\nThe {REPLICAS} replicas answered {', '.join(map(str, shares))} of the last round.")

    promises = {
        "version 2 is not better than version 1": second.accuracy(digits.labels)
        > first.accuracy(digits.labels),
        "after the rollback the answers are not those of version 1": again.outputs == first.outputs,
        f"not all of {REPLICAS} replicas answered": len(shares) == REPLICAS and all(shares),
        "default answers came back": not any(answers.defaults for answers in rounds.values()),
    }
    return [broken for broken, held in promises.items() if not held]


def send(address: str, images: list[list[float]]) -> Answers:
    """Send each image as a query of its own, from CLIENTS connections at once; answers in the same order."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(lambda i: _send_part(address, images[i::CLIENTS]), range(CLIENTS)))
    outputs: list[Any] = [None] * len(images)
    for i, part in enumerate(parts):
        outputs[i::CLIENTS] = part.outputs
    latencies_s = [latency for part in parts for latency in part.latencies_s]
    return Answers(outputs, sum(part.defaults for part in parts), latencies_s)


def _send_part(address: str, images: list[list[float]]) -> Answers:
    outputs, defaults, latencies_s = [], 0, []
    client = http.client.HTTPConnection(address, timeout=10)
    try:
        for image in images:
            body = json.dumps({"input": image})
            began = time.perf_counter()
            client.request("POST", f"/{NAME}/predict", body, HEADERS)
            response = client.getresponse()
            content = response.read()
            latencies_s.append(time.perf_counter() - began)
            if response.status != 200:
                raise ClusterError(f"The query frontend answered {response.status}: {content.decode()[:300]}")
            answer = json.loads(content)
            outputs.append(answer["output"])
            defaults += bool(answer["default"])
    except (OSError, http.client.HTTPException) as error:
        raise ClusterError(f"A query got no answer: {str(error) or type(error).__name__}.") from error
    finally:
        client.close()
    return Answers(outputs, defaults, latencies_s)


def _settled_counts(conn: ClipperConnection, *, sent: int) -> dict[str, int]:
    """How many queries each replica of version 1 has answered, once the reports of all `sent` are in.

    Query frontends report twice a second; gives up after 10 s with what has come.
    """

    def counts() -> dict[str, int]:
        return {
            r["model_replica_id"]: r["num_predictions"]
            for r in conn.get_all_model_replicas(verbose=True)
            if r["model_version"] == "1"
        }

    give_up = time.monotonic() + 10.0
    while sum((seen := counts()).values()) < sent and time.monotonic() < give_up:
        time.sleep(0.25)
    return seen
