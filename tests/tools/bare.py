"""From a wheel alone to a first answer, in a bare Debian container: `python -m tests.tools.bare FILE.whl`.

It installs the wheel as getting started says, pastes that page's first example as it stands, and tells what
each took. Needs a Docker engine, and network for packages.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
import time
from pathlib import Path

from tests.tools.binder import HOME, ROOT, Container

PAGE = ROOT / "docs" / "getting-started.md"


def example() -> str:
    """The first one that the page shows."""
    shown = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown
    return shown[1]


def files(wheel: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(wheel, wheel.name)
        text = example().encode()
        entry = tarfile.TarInfo("example.py")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return content.getvalue()


def try_it(wheel: Path) -> tuple[float, float]:
    """Seconds of the installation, and of the example. Raises CalledProcessError where a step fails."""
    container = Container()
    try:
        container.put(files(wheel), HOME)
        container.run("useradd --home-dir $PWD jovyan && chown -R jovyan: . && cat /etc/os-release | head -1")
        took = []
        for script in (
            f"python -m venv --copies env && pip install --quiet --no-cache-dir '{wheel.name}[lab]'",
            "python example.py",
        ):
            began = time.perf_counter()
            said = container.run(script, user="jovyan")
            took.append(time.perf_counter() - began)
        assert "'output': 3.0, 'default': False" in said
        return took[0], took[1]
    finally:
        container.end()


if __name__ == "__main__":
    installed_s, answered_s = try_it(Path(sys.argv[1]))
    sys.stdout.write(f"{installed_s:.0f} s to install, and {answered_s:.1f} s to the first answer.\n")
