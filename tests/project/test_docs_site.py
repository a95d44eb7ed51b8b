"""The site as its readers have it: no warning, nothing asked of others, and few clicks to what they want."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from clipperlab import draw
from tests.support import parts
from tests.support.browser import SHOTS, launch, violations
from tests.support.notebooks import LESSONS, ROOT, read
from tests.tools.site import versions
from tests.tools.site.lessons import NOT_RUN, RUN

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


RAN = LESSONS[5]
"""The lesson of whose run there is a recording, with an output of each kind."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    recorded = folder.parent / "recorded"
    record(recorded / "notebooks" / RAN.name)
    make = [sys.executable, "-m", "tests.tools.site", str(folder), str(recorded)]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder / "dev"


def record(path: Path) -> None:
    ran = read(RAN)
    cells = [cell for cell in ran["cells"] if cell["cell_type"] == "code"]
    said: dict[str, Any] = {"output_type": "stream", "name": "stdout", "text": f"a long line {'x' * 200}"}
    shown = {"output_type": "display_data", "metadata": {}}
    picture = str(draw.bars({"one": 1, "two": 2}, title="It was so", unit="ms")._repr_html_())
    wide = f"<table><tr>{''.join(f'<td>column{n}</td>' for n in range(30))}</tr></table>"
    failed = {
        "output_type": "error",
        "ename": "ValueError",
        "evalue": "no",
        "traceback": ["\x1b[31mNo\x1b[0m"],
    }
    outputs: list[list[dict[str, Any]]] = [
        [said, {**said, "name": "stderr"}],
        [{**shown, "data": {"text/plain": "words", "text/html": picture}}],
        [{**shown, "data": {"text/html": wide}}],
        [failed],
    ]
    for cell, put_out in zip(cells, outputs, strict=False):
        cell["outputs"] = put_out
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(ran), encoding="utf-8")


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


def test_a_lesson_shows_what_its_cells_put_out_or_says_that_it_does_not(site: Path, page: Page) -> None:
    page.goto(f"file://{site}/tutorials/{RAN.stem}.html")
    expect(page.get_by_text(RUN, exact=True)).to_be_visible()
    outputs = page.locator(".cell_output")
    assert outputs.count() == 4
    expect(outputs.nth(1).locator("svg text", has_text="It was so")).to_be_visible()
    expect(outputs.nth(1).get_by_text("words")).to_have_count(0)
    page.goto(f"file://{site}/tutorials/{LESSONS[6].stem}.html")
    expect(page.get_by_text(NOT_RUN, exact=True)).to_be_visible()
    expect(page.locator(".cell_output")).to_have_count(0)


def test_another_version_of_a_page_is_chosen_beside_it(site: Path, page: Page, tmp_path: Path) -> None:
    assert "dev/index.html" in (site.parent / "index.html").read_text(encoding="utf-8")
    choice = page.get_by_label("Version", exact=True)
    expect(choice).to_be_hidden()
    for name in ("0.9.0", "0.10.0"):
        shutil.copytree(site, tmp_path / name, ignore=shutil.ignore_patterns("tutorials"))
    shutil.copytree(site, tmp_path / "dev")
    versions.write(tmp_path)
    page.goto(f"file://{tmp_path}/index.html")
    page.wait_for_url("**/0.10.0/index.html")
    page.goto(f"file://{tmp_path}/dev/how-to/canary.html")
    assert choice.locator("option").all_inner_texts() == ["dev", "0.10.0", "0.9.0"]
    expect(choice).to_have_value("dev")
    choice.select_option("0.9.0")
    page.wait_for_url("**/0.9.0/how-to/canary.html")
    page.goto(f"file://{tmp_path}/dev/tutorials/{RAN.stem}.html")
    choice.select_option("0.10.0")
    page.wait_for_url("**/0.10.0/index.html")


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


SEARCHES = {
    "low_confidence": "Reasons, errors and events",
    "canary": "Roll out step by step",
    "rollback": "Roll back",
    "autoscaling": "Scale",
    "delete model": "Change versions and replicas",
    "payload size": "Ask",
    "response timeout": "Ask",
    "authentication": "Ask",
    "rotate token": "Configuration",
    "redis": "Come from Clipper",
}
"""In the words of those who search, and the page that says what to do."""


@pytest.mark.parametrize("words", SEARCHES)
def test_the_search_shows_what_to_do_first(site: Path, browser: Any, words: str) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/search.html?q={words.replace(' ', '+')}")
    page.locator(".search-summary", has_text="finished").wait_for()
    assert SEARCHES[words] in page.locator("ul.search > li > a").all_inner_texts()[:3]
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
