"""The code in the documentation's pages: which of it runs, and as which program."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.support.notebooks import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
_FENCE = re.compile(r"(?:<!-- (not run|file): ([^\n]+?) -->\n)?^```([\w{}-]*)\n(.*?)^```$", re.M | re.S)
# What the how-to guides go on from: `getting-started.md` makes it step by step.
BEGINNING = """
from clipperlab import ClipperConnection, deployers
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

pictures, digits = load_digits(return_X_y=True)
bayes = GaussianNB().fit(pictures[:1500], digits[:1500])
svm = SVC(gamma=0.001).fit(pictures[:1500], digits[:1500])
conn = ClipperConnection("docs")
conn.start_clipper(fresh=True)
conn.register_application("digits", "doubles", -1, slo_ms=20_000)
conn.deploy(bayes, "digits", 1, example_input=pictures[0])
conn.deploy(svm, "digits", 2, example_input=pictures[0])
conn.link_model_to_app("digits", "digits")
conn.rollback("digits")
"""


@dataclass(frozen=True)
class Block:
    """`why_not`: it is shown, and not run. `file`: it is written there, and not run."""

    language: str
    text: str
    why_not: str = ""
    file: str = ""


def blocks(page: str) -> list[Block]:
    found = _FENCE.findall((DOCS / page).read_text(encoding="utf-8"))
    return [
        Block(language, text, said if mark == "not run" else "", said if mark == "file" else "")
        for mark, said, language, text in found
    ]


def program(page: str) -> str:
    """All that runs of a page, in its order."""
    parts = [BEGINNING] if page.startswith("how-to/") else []
    for block in blocks(page):
        if block.why_not:
            continue
        if block.file:
            parts.append(f"__import__('pathlib').Path({block.file!r}).write_text({block.text!r})\n")
        elif block.language == "python":
            parts.append(block.text)
        elif block.language == "console":
            words = [shlex.split(line[2:], comments=True) for line in block.text.splitlines()]
            parts += [f"__import__('subprocess').run({each!r}, check=True)\n" for each in words]
    return "\n".join(parts)


def promised(page: str) -> list[str]:
    """What the page says that is printed: comments that follow a print."""
    texts = "".join(b.text for b in blocks(page) if b.language == "python" and not b.why_not)
    return re.findall(r"^ *print\(.*\n# (.*)$", texts, re.M)


def with_code() -> list[str]:
    """The pages of which something runs."""
    return [page for page in PAGES if program(page) not in ("", BEGINNING)]
