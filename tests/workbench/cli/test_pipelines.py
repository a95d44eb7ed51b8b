"""A pipeline from its file, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipperlab import ClipperConnection
from tests.support.clusters import constant
from tests.workbench.cli.conftest import Run

pytestmark = pytest.mark.slow

FILE = """
async def answer(query, models):
    return [query, await models["used"]([1.0])]
"""


def test_a_pipeline_is_deployed_from_its_file(cluster: ClipperConnection, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "captions.py"
    file.write_text(FILE)
    options = ["--name", "captions", "--input-type", "json", "--function", "answer", "--app", "captions"]
    limit = ["--slo-ms", "20000", "--concurrency", "8"]
    assert "there is no such model" in str(
        run("deploy", str(file), *options, "--uses", "used", code=1).exception
    )
    cluster.deploy(constant("said"), "used", input_type="doubles")
    run("deploy", str(file), *options, *limit, "--uses", "used")
    assert json.loads(run("predict", "captions", '"query"').stdout) == ["query", "said"]
    assert "called used:1" in run("why").stdout
    info = cluster.get_model_info("captions", 1)
    assert info is not None
    assert (info["uses"], info["concurrency"], info["batching"]) == (["used"], 8, "off")
