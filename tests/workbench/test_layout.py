"""Tables and pictures in a bare page of a real Chromium: their places, their letters, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("anywidget", reason="views need anywidget, which is not installed here")

from playwright.sync_api import Page, expect, sync_playwright

from clipperlab.display.beside import beside
from clipperlab.draw import bars
from clipperlab.management import Overview
from clipperlab.workbench import glance
from clipperlab.workbench.layout import style
from clipperlab.workbench.pictures import esm
from clipperlab.workbench.watch import Seen
from tests.support import parts
from tests.support.browser import launch, violations

# A widget's module drawn into the page, with the traits that it is given; `set` changes them.
DRAW = """async ([text, traits, width]) => {
  document.body.innerHTML = `<main style="width: ${width}px"></main>`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const listeners = {};
  const model = {
    get: (name) => traits[name],
    set: (name, value) => {
      traits[name] = value;
      (listeners[`change:${name}`] ?? []).forEach((each) => each());
    },
    on: (name, listener) => { (listeners[name] ??= []).push(listener); },
    off: () => {}, save_changes: () => {},
  };
  window.model = model;
  (await import(url)).default.render({ model, el: document.querySelector('main') });
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    path = parts.chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser.new_page()
        browser.close()


def tables(rate: float) -> str:
    """Of an application and a version that are asked `rate` times a second, beside a version that failed."""
    cluster = {"cluster_name": "c", "query": "q", "management": "m", "frontends": [], "warnings": []}
    application = {"name": "digits", "input_type": "doubles", "latency_slo_micros": 20_000}
    application |= {
        "default_output": {"a long": "default output " * 9},
        "linked_models": ["digits", "others"],
        "policy": None,
    }
    counts = {"ready_replicas": 1, "num_replicas": 1, "autoscaling": None, "cpu_percent": None}
    names: dict[str, Any] = {"model_name": "digits", "model_version": "1", "batching": "learned"}
    names |= {**counts, "warnings": []}
    good = {**names, "is_current_version": True, "state": "ready", "error": None}
    bad = {**names, "model_version": "2", "is_current_version": False, "state": "failed"}
    bad["error"] = f"Traceback\nModuleNotFoundError: {'No module is called like that. ' * 5}"
    overview = {
        "cluster": cluster,
        "applications": [application],
        "models": [good, bad],
        "replicas": [],
        "rollouts": [],
        "shadows": [],
        "protocols": [],
    }
    point = {
        "applications": {"digits": {"answers": {"model": 0.9 * rate, "late": 0.1 * rate}, "p99_ms": rate}},
        "versions": {"digits:1": {"asked": rate, "waiting": int(rate), "utilisation": min(1, rate / 1e4)}},
    }
    seen = Seen("", cast(Overview, overview), [cast(Any, point)])
    return f"<main>{style().value}{glance.applications(seen)}{glance.versions(seen)}</main>"


@pytest.mark.parametrize("width", [1280, 1920, 560])
def test_tables_hold_still_and_nothing_is_cut_off(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sizes = set()
    for rate in (0.0, 7.4, 88.8, 4321.0, 99_999.0):
        page.set_content(tables(rate))
        sizes.add(page.evaluate("() => document.querySelector('main').getBoundingClientRect().height"))
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert len(sizes) == 1


def test_tables_are_cards_where_there_is_little_room_and_are_read_as_tables(page: Page) -> None:
    shown = "() => getComputedStyle(document.querySelector('td + td'), '::before').content"
    for width, label in ((1280, "none"), (560, "attr(data-name)")):
        page.set_viewport_size({"width": width, "height": 800})
        page.set_content(tables(50.0))
        assert page.evaluate(shown) in (label, '"asked at"' if width == 560 else label)
        assert violations(page, "main") == []


def test_what_has_no_name_is_found(page: Page) -> None:
    page.set_content("<main><select><option>1</option></select></main>")
    (found,) = violations(page, "main")
    assert found.startswith("select-name (critical)")


def draw(page: Page, module: str, space: int, **traits: Any) -> None:
    page.set_content("")
    page.evaluate(DRAW, [esm(module), traits, space])


def points(*answers: float) -> list[dict[str, Any]]:
    return [
        {"at": at, "applications": {"digits": {"answers": {"model": count}}}}
        for at, count in enumerate(answers)
    ]


def test_letters_have_one_size_however_wide_a_picture_is(page: Page) -> None:
    heights = set()
    for width in (280, 640):
        draw(page, "throughput", width, name="digits", points=points(10, 66.3))
        text = page.locator("main text").first
        heights.add(text.evaluate("(node) => Math.round(node.getBoundingClientRect().height)"))
        assert page.locator("main svg").evaluate("(node) => node.getBoundingClientRect().width") == width
    assert len(heights) == 1
    page.evaluate("() => { document.querySelector('main').style.width = '400px'; }")
    page.wait_for_function("() => document.querySelector('svg .grid').x2.baseVal.value === 400 - 16")


@pytest.mark.parametrize("width", [280, 560, 1064, 1600])
def test_letters_of_drawings_beside_one_another_can_be_read(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    drawings = [bars({"idle": 8464}, title=f"Batches, {i}") for i in range(3)]
    page.set_content(f"<main>{beside(*drawings)}</main>")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    scales = page.evaluate("() => [...document.querySelectorAll('svg')].map((each) => each.getScreenCTM().a)")
    assert min(scales) >= 1, scales
    assert violations(page, "main") == []


def test_regret_is_drawn_since_feedback_came(page: Page) -> None:
    lost = [None, {"lost": 1.5, "alike": 2.0}, {"lost": 4.0, "alike": 8.5}]
    told = [{"at": at, "applications": {"digits": {"regret": each}}} for at, each in enumerate(lost)]
    draw(page, "regret", 500, name="digits", points=told[:1])
    expect(page.get_by_text("No feedback has come yet.")).to_be_visible()
    draw(page, "regret", 500, name="digits", points=told)
    now = "now: all arms alike: 8.5 rewards, as it chose: 4 rewards"
    expect(
        page.get_by_role("img", name=f"digits: regret, estimated from joined feedback: {now}")
    ).to_be_visible()
    assert page.locator("svg polyline").count() == 2


def test_what_is_below_zero_is_within_the_picture(page: Page) -> None:
    told = [
        {"at": at, "applications": {"digits": {"regret": {"lost": 3.0 * at - 6, "alike": 6}}}}
        for at in (0, 1)
    ]
    draw(page, "regret", 500, name="digits", points=told)
    expect(page.locator("svg text").first).to_have_text("-10")
    ends = "(node) => node.getBBox().y + node.getBBox().height < node.ownerSVGElement.clientHeight"
    assert all(line.evaluate(ends) for line in page.locator("svg polyline").all())


def test_a_picture_says_what_it_shows_and_of_what(page: Page) -> None:
    draw(page, "throughput", 500, name="digits", points=points(10, 66.3))
    expect(page.get_by_role("img", name="digits: answers a second: now: model: 66.3 /s")).to_be_visible()
    expect(page.locator("figcaption")).to_contain_text("digits: answers a second")
    page.evaluate("() => model.set('name', 'others')")
    expect(page.locator("figcaption")).to_contain_text("others: answers a second")


def test_a_picture_of_nothing_is_a_sentence(page: Page) -> None:
    draw(page, "throughput", 500, name="digits", points=points(0, 0))
    expect(page.get_by_text("Not asked in the last minutes.")).to_be_visible()
    expect(page.locator("svg")).to_be_hidden()
    page.evaluate("(points) => model.set('points', points)", points(0, 5))
    expect(page.locator("svg")).to_be_visible()
    expect(page.get_by_text("Not asked in the last minutes.")).to_have_count(0)


def test_the_sketch_shows_what_is_sent(page: Page) -> None:
    draw(page, "sketch", 500, width=8, height=8, top=16, pixels=[])
    box = page.locator(".drawn").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 100)
    page.mouse.up()
    preview = page.get_by_role("img", name="What is sent: 8 by 8 numbers, from 0 (black) to 16 (white)")
    expect(preview).to_be_visible()
    sent = page.evaluate("() => model.get('pixels')")
    assert len(sent) == 64
    assert max(sent) > 4
    greys = preview.evaluate(
        "(node) => [...node.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 0)"
    )
    assert [round(grey * 16 / 255) for grey in greys] == [round(value) for value in sent]
    assert violations(page, "main") == []


def rollout(state: str, step: int, bad: int, reached: float, verdict: str) -> dict[str, Any]:
    kinds = ("errors", "late", "defaults", "latency_p95")
    names = {"model": "digits", "control": "1", "canary": "2", "state": state, "verdict": verdict}
    sides = {
        side: {"chosen": chosen, "dealt": chosen}
        for side, chosen in (("canary", 20 * bad), ("control", 380 * bad))
    }
    rails = [
        {"kind": kind, "text": kind, "canary": bad, "control": 3 * bad, "reached": reached} for kind in kinds
    ]
    means = dict.fromkeys(("canary", "control"), bad / 20_000 if bad else None)
    rewards = dict.fromkeys(("canary", "control"), 100 * bad)
    rails.append({"kind": "reward", "text": "rewards", **means, "rewards": rewards, "reached": reached})
    wanted = [*({"kind": kind, "tolerance": 1.2} for kind in kinds), {"kind": "reward", "by": 0.02}]
    steps = [0.05, 0.2, 0.5, 1.0]
    return {
        **names,
        "steps": steps,
        "step": step,
        "share": steps[step] if state in ("running", "paused") else 0.0,
        "observe": False,
        "ended_at": None if state in ("running", "paused") else 1.0,
        "guardrails": wanted,
        "evidence": {**sides, "guardrails": rails, "sample_ratio": reached},
    }


HOLD = "50 more inputs of the new version are to be seen at this share."
FAIL = (
    "Too many late answers (up to 1.2 times as many are allowed): 12,345 in 246,900 inputs of the new "
    "version, 37,035 in 4,691,100 of the one before. Were they alike, it would be so in 1 of 3e+12 rollouts."
)
UNLIKE = (
    "Feedback comes for 61% of the new version's answers and 93% of those of the one before: rewards cannot "
    "be compared. See that it comes for both alike; or promote or abort it."
)
TOLD = [
    rollout("running", 0, 0, 0.0, ""),
    rollout("running", 1, 7, 0.0312, HOLD),
    rollout("paused", 2, 12_345, 0.55, HOLD),
    rollout("running", 2, 12_345, 0.97, UNLIKE),
    rollout("failed", 2, 12_345, 1.0, FAIL),
    rollout("passed", 2, 999, 0.2, "No worse in 19,980 inputs at this share."),
]


@pytest.mark.parametrize(
    "width", [240, pytest.param(360, marks=pytest.mark.slow), pytest.param(560, marks=pytest.mark.slow), 1280]
)
def test_a_rollout_holds_still_and_says_how_it_stands(page: Page, width: int) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    draw(page, "rollout", width, name="digits", rollout={})
    expect(page.get_by_role("status")).to_have_text("Model digits has had no rollout yet.")
    heights = set()
    for told in TOLD:
        page.evaluate("(told) => model.set('rollout', told)", told)
        heights.add(page.evaluate("() => document.querySelector('main').getBoundingClientRect().height"))
        wider = "(width) => [...document.querySelectorAll('main *')].some((n) => n.scrollWidth > width)"
        assert not page.evaluate(wider, width)
        assert violations(page, "main") == []
    assert len(heights) == 1, heights


def test_a_rollout_tells_its_step_its_evidence_and_its_verdict(page: Page) -> None:
    draw(page, "rollout", 600, name="digits", rollout=TOLD[2])
    region = page.get_by_role("group", name="Rollout of digits")
    expect(region.get_by_role("status")).to_have_text(
        "digits: from version 1 to 2paused: step 3 of 4, 50 % of the queries"
    )
    expect(region.locator("[aria-current=step]")).to_have_text("50 %")
    meter = region.get_by_role("meter", name="late answers: evidence that it is worse, of its bound")
    expect(meter).to_have_attribute("aria-valuenow", "55")
    expect(region.get_by_role("row", name="late answers")).to_contain_text("12,3455 %")
    expect(region).to_contain_text(
        "Dealt: 246,900 requests to 2, 4,691,100 to 1. Evidence that this does not fit: 55 % of its bound."
    )
    expect(region.get_by_role("row", name="rewards")).to_contain_text("up to 0.02 lower0.617of 1,234,500")
    expect(region).to_contain_text(f"Verdict: {HOLD}")


def test_shares_make_a_whole_by_mouse_and_by_keyboard(page: Page) -> None:
    draw(page, "shares", 500, names=["a", "b", "c"], shares=[80, 20, 0])
    sliders = page.get_by_role("slider")

    def shares() -> list[float]:
        found: list[float] = page.evaluate("() => model.get('shares')")
        return found

    sliders.nth(0).focus()
    page.keyboard.press("ArrowLeft")
    assert shares() == [79, 21, 0]
    page.keyboard.press("Home")
    assert shares() == [0, 100, 0]
    page.keyboard.press("End")
    assert shares() == [100, 0, 0]
    page.keyboard.press("ArrowLeft")  # the others have nothing to go by: the first gets the odd one
    assert shares() == [99, 1, 0]
    box = page.get_by_label("b", exact=True).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    a, b, c = shares()
    assert abs(b - 50) <= 2
    assert a + b + c == 100
    expect(page.locator("output").nth(1)).to_have_text(f"{b:g} %")
    page.evaluate("() => model.set('shares', [12.5, 87.5, 0])")
    expect(page.locator("output").first).to_have_text("12.5 %")
    assert violations(page, "main") == []
