"""The wheel: what is in it, and that it builds of a checkout with npm alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from . import parts

ROOT = Path(__file__).parents[1]
MOST_OF_JAVASCRIPT = 60_000  # bytes


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wheel_of_a_checkout_carries_the_panel(tmp_path: Path) -> None:
    parts.need("npm", shutil.which("npm") is not None, "On Debian: apt install npm")
    checkout = tmp_path / "checkout"
    built = shutil.ignore_patterns(
        *(".*", "node_modules", "labextension", "lib", "build", "dist", "__pycache__")
    )
    shutil.copytree(ROOT, checkout, ignore=built)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    environment = {k: v for k, v in os.environ.items() if k != "PIP_NO_INDEX"}
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(checkout)], check=True, env=environment)
    (wheel,) = tmp_path.glob("clipperlab-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        panel = [name for name in names if "data/share/jupyter/labextensions/clipperlab/" in name]
        scripts = [name for name in panel if name.endswith(".js")]
        assert sum(archive.getinfo(name).file_size for name in scripts) < MOST_OF_JAVASCRIPT
        (package,) = [name for name in panel if name.endswith("/package.json")]
        assert json.loads(archive.read(package))["name"] == "clipperlab"
        (config,) = [name for name in names if name.endswith("jupyter_server_config.d/clipperlab.json")]
        assert json.loads(archive.read(config))["ServerApp"]["jpserver_extensions"] == {"clipperlab": True}
    assert "clipperlab/static/throughput.js" in names
    assert not [name for name in names if name.startswith(("clipperlab/frontend", "clipperlab/labextension"))]


def test_the_server_extension_is_found_where_jupyter_looks() -> None:
    import clipperlab

    (point,) = clipperlab._jupyter_server_extension_points()
    assert point == {"module": "clipperlab.jupyter"}
    jupyter = pytest.importorskip("clipperlab.jupyter", reason="needs jupyter_server, which is not installed")
    assert callable(jupyter._load_jupyter_server_extension)
