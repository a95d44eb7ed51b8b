"""boto3's own client, in the environment of `make peers`, on processes and on Docker."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach
from tests.support.parts import boto3
from tests.support.places import Place
from tests.tools.benchmarks.models import by_value

FOLDER = Path(__file__).parent
KEY = "laboratory", "a-secret-of-the-tests"
TOLD = {
    "plain": ["[3.0,7.0]", "2", None],
    "all headers": ["[3.0,7.0]", "1", None],
    "csv": ["3.0\n7.0\n", "2", None],
    "no model": ["[-1.0,-1.0]", None, "no_model_linked"],
    "no such variant": ["ValidationError", "ValidationError", 400],
    "no such endpoint": ["ValidationError", "ValidationError", 400],
    "a bad body": ["ModelError", "ModelError", 424],
}
"""What its client reads."""
FORBIDDEN = ["ClientError", "InvalidSignatureException", 403]

pytestmark = [
    pytest.mark.parametrize("place", ["process", "docker"], indirect=True, scope="module"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module", autouse=True)
def python() -> Path:
    return boto3()


def ask(python: Path, address: str, *key: str) -> Any:
    command = [str(python), str(FOLDER / "ask_sagemaker.py"), address, *key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_its_client_signs_with_the_key_of_the_cluster_and_reads_the_answers(
    attach: Attach, place: Place, python: Path
) -> None:
    def sums(rows: list[Any]) -> list[float]:
        return [float(row.sum()) for row in rows]

    conn = attach("sagemaker")
    try:
        conn.start_clipper(protocols=["sagemaker"], fresh=True)
        at = conn.start_protocol("sagemaker", key=KEY)["rest"]
        for name in ("sum", "nobody"):
            conn.register_application(name, "doubles", -1.0, 20_000_000)
        for version in (1, 2):
            deploy_python_closure(conn, "sums", version, "doubles", by_value(sums), example_input=[1.0, 2.0])
        conn.link_model_to_app("sum", "sums")
        assert ask(python, at, *KEY) == TOLD
        assert ask(python, at, KEY[0], "another secret") == dict.fromkeys(TOLD, FORBIDDEN)
    finally:
        conn.stop_all(purge=True)
    assert place.left("sagemaker") == []
