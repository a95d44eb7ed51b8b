"""The site as its readers have it: no warning, nothing asked of others, and few clicks to what they want."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support import parts
from tests.support.browser import SHOTS, launch, violations
from tests.support.notebooks import LESSONS, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

QUESTIONS = {
    "How do I install it, and what do I need?": ("Getting started", None, "pip install 'clipperlab[lab]'"),
    "Why did I get the default output?": ("reasons", None, "no_replicas"),
    "How do I go back to the version before?": ("How-to guides", "Roll back", "conn.rollback("),
    "How do I run it on Kubernetes?": ("How-to guides", "Run on Kubernetes", "KubernetesContainerManager("),
    "How do I try a new version on some users?": ("How-to guides", "Roll out step by step", "start_rollout("),
    "My clients speak TensorFlow Serving. Can they stay?": (
        "How-to guides",
        "Come from TensorFlow Serving",
        'start_protocol("tensorflow-serving")',
    ),
    "What may my function use and return?": ("what travels with a function", None, "What it returns"),
    "What does deploy() take?": ("Reference", "Python", "ClipperConnection.deploy"),
    "Is it safe to show to others?": ("the threat model", None, "What is not defended"),
    "How fast is it?": ("scale", None, "queries/s a core"),
}
"""Of each: what is clicked on the first page, what on the next one, and what is read there."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    make = [sys.executable, "-m", "tests.tools.site", str(folder)]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = launch(playwright, parts.chromium())
        yield browser
        browser.close()


@pytest.fixture
def page(site: Path, browser: Any) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(f"file://{site}/index.html")
    yield page
    page.close()


def test_no_page_asks_others_for_anything(site: Path) -> None:
    asked = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//|<link\b[^>]*\bhref=\"(?:https?:)?//"
    )
    pages = [*site.rglob("*.html")]
    assert len(pages) > 60
    assert [path.name for path in pages if asked.search(path.read_text(encoding="utf-8"))] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    ids: dict[Path, set[str]] = {}
    for path in site.rglob("*.html"):
        ids[path] = set(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))
    lost = []
    for path in ids:
        for link in re.findall(r'<a\b[^>]*\bhref="([^"]+)"', path.read_text(encoding="utf-8")):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if re.match(r"\w+:", link):
                continue
            if not target.exists() or (anchor and target in ids and anchor not in ids[target]):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_each_lesson_is_there_and_can_be_had(site: Path) -> None:
    for lesson in LESSONS:
        text = (site / "tutorials" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        link = re.search(r'href="([^"]+)"[^>]*><span[^>]*>Download', text)
        assert link, lesson.name
        assert (site / "tutorials" / link[1]).read_bytes() == lesson.read_bytes()
        assert "Open in Binder" in text


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_newcomers_question_is_answered_within_two_clicks(page: Page, question: str) -> None:
    first, second, answer = QUESTIONS[question]
    for link in filter(None, (first, second)):
        page.get_by_role("link", name=link, exact=True).first.click()
    assert answer in page.locator("article").inner_text()


def test_every_page_is_within_two_clicks(site: Path, page: Page) -> None:
    """Of the side bar and the page, from the first one."""

    def linked(path: Path) -> set[Path]:
        found = re.findall(r'<a\b[^>]*\bhref="([^":#]+\.html)', path.read_text(encoding="utf-8"))
        return {(path.parent / link).resolve() for link in found}

    first = linked(site / "index.html")
    second = first.union(*map(linked, first))
    apart = {"search.html", "genindex.html", "index.html", "py-modindex.html"}
    assert {path for path in site.rglob("*.html") if path.name not in apart} - second == set()


def test_the_search_finds_a_reason(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/search.html?q=low_confidence")
    page.locator("ul.search li a").first.wait_for()
    assert "Reasons, errors and events" in page.locator("ul.search").inner_text()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("first", "index.html"),
        ("lesson", "tutorials/05_change_versions.html"),
        ("how-to", "how-to/canary.html"),
        ("api", "reference/python.html"),
    ],
)
def test_pages_fit_the_screen_and_can_be_read(
    site: Path, browser: Any, name: str, path: str, scheme: str
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
        page.goto(f"file://{site}/{path}")
        page.screenshot(path=SHOTS / f"docs-{name}-{scheme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_the_first_page_is_accessible(page: Page) -> None:
    assert violations(page, "article") == []


def test_readme_leads_to_the_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 100
    for folder in ("how-to", "explanation", "reference"):
        assert f"docs/{folder}/index.md" in readme
