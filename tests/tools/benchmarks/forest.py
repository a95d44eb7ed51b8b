"""What batching is worth: a random forest, whose single prediction costs nearly as much as a hundred."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from clipperlab import ClipperConnection
from clipperlab.deployers.sklearn import deploy_sklearn_model
from clipperlab.load.http_request import predict

from . import report, wrk
from .bench import Bench, Outcome, Target, at_least, between, ratio
from .climb import Climb, Level, climb, plain
from .cluster import cluster, predict_url

OBJECTIVES_MS = (20, 50)
WAYS = ("off", "aimd", "learned")
CONNECTIONS = (8, 16, 32, 64, 128, 256)
FEW = (1, 2, 4)  # without batching, more than these may be too many
IMAGES = 256  # different ones, so that nothing can be had twice
WORTH = {20: 25.0, 50: 40.0}  # learned, in times of off


def run(bench: Bench) -> Outcome:
    images, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(images, digits)
    found: dict[int, dict[str, Climb]] = {}
    with cluster("forest") as conn:
        deploy_sklearn_model(conn, "forest", 1, "doubles", forest, example_input=images[0])
        for objective_ms in OBJECTIVES_MS:
            name = f"within{objective_ms}"
            conn.register_application(name, "doubles", -1, objective_ms * 1000)
            conn.link_model_to_app(name, "forest")
            url = predict_url(conn, name)
            requests = [predict(url, image.tolist()) for image in images[:IMAGES]]
            found[objective_ms] = {way: _climb(bench, conn, way, url, requests, objective_ms) for way in WAYS}
    return Outcome(
        "a random forest of 100 trees over 64 doubles: the best throughput in a closed loop, of loads at "
        "which 99 % of the answers are the model's and within the objective",
        [_table(objective_ms, ways) for objective_ms, ways in found.items()],
        [target for objective_ms, ways in found.items() for target in _targets(objective_ms, ways)],
        {
            f"{objective_ms} ms": {way: plain(climbed) for way, climbed in ways.items()}
            for objective_ms, ways in found.items()
        },
    )


def _climb(
    bench: Bench, conn: ClipperConnection, way: str, url: str, requests: list[bytes], objective_ms: int
) -> Climb:
    conn.set_batching("forest", way)

    def measure(connections: float) -> Level:
        def closed_loop(seconds: int) -> wrk.Measured:
            return wrk.measure(requests, url, connections=int(connections), seconds=seconds, look=True)

        closed_loop(bench.warm_s)
        seen = closed_loop(bench.seconds)
        good_rate = seen.good(objective_ms) / seen.seconds
        return Level(connections, good_rate, seen.good_share(objective_ms), seen.summary())

    loads = (*FEW, *CONNECTIONS) if way == "off" else CONNECTIONS
    return climb(bench.some(loads), measure, rounds=bench.rounds)


def _table(objective_ms: int, ways: dict[str, Climb]) -> Any:
    rows = []
    for way, climbed in ways.items():
        for level in climbed.levels:
            best = climbed.best is not None and level.load == climbed.best.load
            seen = level.measured
            rows.append(
                [
                    way,
                    level.load,
                    level.good_rate,
                    report.percent(level.good_share),
                    report.ms(seen["p50_ms"]),
                    report.ms(seen["p99_ms"]),
                    f"best: {climbed.rate:,.0f}" if best else "",
                ]
            )
    return report.table(
        f"objective {objective_ms} ms", ["batching", "connections", "good /s", "good", "p50", "p99", ""], rows
    )


def _targets(objective_ms: int, ways: dict[str, Climb]) -> list[Target]:
    off, aimd, learned = (ways[way].rate for way in WAYS)
    return [
        at_least(f"{objective_ms} ms: learned, in times of off", ratio(learned, off), WORTH[objective_ms]),
        between(f"{objective_ms} ms: aimd, as a part of learned", ratio(aimd, learned), 0.85, 1.15),
    ]
