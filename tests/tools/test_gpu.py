"""The trial of a GPU, on a machine that has none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_without_a_gpu_it_says_what_the_machine_lacks(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.tools.gpu"],
        env={**os.environ, "PATH": str(tmp_path)},  # where there is no nvidia-smi
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "This machine lacks:" in ran.stdout
    assert "An NVIDIA GPU with its driver" in ran.stdout
