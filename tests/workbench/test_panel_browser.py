"""The panel in a real JupyterLab, in a real Chromium, under load: it holds still, and all can use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Locator, Page, expect, sync_playwright

from clipper_container.errors import DeployError
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.workbench.panel import TABS
from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, violations, write_notebook
from tests.support.clusters import Attach, constant
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAME = "panel-browser"
CONNECT = f"""\
from clipperlab import ClipperConnection, ProcessContainerManager
conn = ClipperConnection(ProcessContainerManager({NAME!r}))
conn.connect()
"""
SHOW = f"{CONNECT}conn.panel()"
WIDTHS = (1280, 1920, 560)
UPDATES = 10  # of the tables, at least
SECONDS = 10  # for which they are watched at each width, at least
# Where the tab bar and the next cell are, below the panel's top, whenever the tables have changed.
PLACES = """async ([updates, seconds]) => {
  const panel = document.querySelector('.clipper-view');
  const below = panel.closest('.jp-Cell').nextElementSibling;
  const nodes = [panel.querySelector('.lm-TabBar'), below];
  const top = (node) => Math.round(node.getBoundingClientRect().top);
  const seen = new Set();
  const look = () => seen.add(nodes.map((node) => top(node) - top(panel)).join(', '));
  const resized = new ResizeObserver(look);
  resized.observe(panel);
  await new Promise((resolve) => {
    let count = 0;
    const began = performance.now();
    const changed = new MutationObserver(() => requestAnimationFrame(() => {
      look();
      if (++count < updates || performance.now() - began < 1000 * seconds) return;
      changed.disconnect();
      resolve();
    }));
    changed.observe(panel.querySelector('.clipper-glance').parentElement, { childList: true, subtree: true });
  });
  resized.disconnect();
  return [...seen];
}"""

# What goes beyond a box around it that cuts it off, words that do not fit their own, and numbers that do not.
CUT = """() => {
  const panel = document.querySelector('.clipper-view');
  const cutsOff = (node) => getComputedStyle(node).overflowX !== 'visible';
  const words = document.createElement('canvas').getContext('2d');
  const beyond = (node) => {
    const right = node.getBoundingClientRect().right;
    for (let box = node.parentElement; box !== panel.parentElement; box = box.parentElement) {
      const inside = box.getBoundingClientRect().left + box.clientLeft + box.clientWidth;
      if ((box === panel || cutsOff(box)) && right > inside + 1) return true;
    }
    return cutsOff(node) && node.matches('label, .widget-label, .widget-label-basic, button')
      && node.scrollWidth > node.clientWidth + 1;
  };
  const isTight = (node) => {
    const { font, paddingLeft, paddingRight } = getComputedStyle(node);
    words.font = font;
    const room = node.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - SPIN;
    return node.type === 'number' && words.measureText(node.value).width > room;
  };
  return [...panel.querySelectorAll('button, select, input, td, label, span, .lm-TabBar-tab')]
    .filter((node) => node.checkVisibility() && !node.closest('pre, code') && (beyond(node) || isTight(node)))
    .map((node) => node.outerHTML.slice(0, 200));
}""".replace("SPIN", "16")  # the arrows of a number field

# Whether a select's arrow has the colour of its text.
ARROW = """(select) => {
  const { backgroundImage, color } = getComputedStyle(select);
  return backgroundImage.includes(color);
}"""


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    """It serves an application under load, and has one that nobody asks and a version that failed."""
    conn = attach(NAME)
    conn.start_clipper(fresh=True)

    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError("This one fails, with a sentence that is long enough to need a line and more: " * 3)

    for name in ("asked", "asleep"):
        conn.register_application(name, "doubles", -1, 20_000_000)
    for version in (1, 2):
        deploy_python_closure(conn, "m", version, "doubles", constant("one"), example_input=[1.0])
    deploy_python_closure(conn, "n", 1, "doubles", constant("two"), example_input=[1.0])
    for model in ("m", "n"):
        conn.link_model_to_app("asked", model)
    with pytest.raises(DeployError):
        deploy_python_closure(conn, "broken", 1, "doubles", broken, example_input=[1.0])
    load = conn.load("asked", rate=40, seconds=1800, inputs=[[1.0], [2.0]], cache=False)
    yield conn
    load.stop()
    conn.stop_all(purge=True)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Notebook]]:
    """Opens a new notebook by that name, with a kernel of its own."""
    folder = tmp_path_factory.mktemp("panel")
    with sync_playwright() as playwright, jupyter(folder) as url:
        browser = launch(playwright, parts.chromium())

        def open_notebook(name: str) -> Notebook:
            write_notebook(folder / f"{name}.ipynb")
            page = browser.new_page(viewport={"width": 1280, "height": 2400})
            lab = Notebook(page, f"{url}/lab/workspaces/{name}/tree/{name}.ipynb?reset")
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
            return lab

        yield open_notebook
        browser.close()


@pytest.fixture(scope="module")
def lab(cluster: ClipperConnection, opened: Callable[[str], Notebook]) -> Notebook:
    """A notebook with the panel, and a cell below it."""
    lab = opened("panel")
    lab.run(SHOW)
    expect(lab.page.get_by_role("tab", name="Model", exact=True)).to_be_visible(timeout=60_000)
    lab.run("conn.lens('asked', [[1.0], [2.0]])")
    return lab


def test_nothing_below_the_panel_moves_under_load(lab: Notebook) -> None:
    open_tab(lab.page, "Pictures")
    panel = lab.page.locator(".clipper-view")
    picture = panel.get_by_role("img", name="asked: answers a second")
    for width in WIDTHS:
        lab.page.set_viewport_size({"width": width, "height": 2400})
        # Each picture has something to show, in its new width.
        expect(picture).to_be_visible(timeout=60_000)
        for name in ("m:2: replicas at work", "m:2: time of a batch, by its size"):
            expect(panel.get_by_role("img", name=name)).to_be_visible(timeout=60_000)
        lab.page.evaluate(PLACES, [2, 0])
        places = lab.page.evaluate(PLACES, [UPDATES, SECONDS])
        assert len(places) == 1, (width, places)
        lab.shoot(f"panel-{width}")


@pytest.mark.parametrize("width", [*WIDTHS, 420])
def test_nothing_is_cut_off(lab: Notebook, width: int) -> None:
    lab.page.set_viewport_size({"width": width, "height": 2400})
    for name in TABS:
        open_tab(lab.page, name)
        assert lab.page.evaluate(CUT) == [], name
        lab.shoot(f"panel-{name.lower()}-{width}")


@pytest.mark.parametrize(("theme", "width"), [("Light", 1280), ("Dark", 560)])
def test_everybody_can_use_the_panel(lab: Notebook, theme: str, width: int) -> None:
    page, panel = lab.page, lab.page.locator(".clipper-view")
    page.set_viewport_size({"width": width, "height": 2400})
    change = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(change, f"JupyterLab {theme}")
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_be_attached(timeout=60_000)
    for name in TABS:
        open_tab(page, name)
        lab.shoot(f"panel-{name.lower()}-{theme.lower()}")
        for select in page.locator(".jp-OutputArea-output select").all():  # also those of the lens below
            assert select.evaluate(ARROW), name
        if name == "Ask":
            panel.get_by_role("button", name="an image", exact=True).click()
            expect(panel.get_by_role("img", name="What is sent: 8 by 8 numbers")).to_be_visible()
        assert violations(page, ".clipper-view") == [], name
    assert violations(page, ".jp-OutputArea-output") == []  # also the lens below
    assert lab.errors == []


def test_a_split_is_set_by_keyboard_and_its_traffic_is_seen(
    cluster: ClipperConnection, lab: Notebook
) -> None:
    open_tab(lab.page, "Policy")
    tab = shown_tab(lab.page)
    expect(tab.get_by_text("Answered by the first linked model, m.")).to_be_visible()
    expect(tab.get_by_text("It has this policy already.")).to_be_visible()
    button = tab.get_by_role("button", name="Set the policy")
    expect(button).to_be_disabled()
    press(tab.get_by_role("button", name="a split", exact=True))
    expect(tab.get_by_text("Only one arm has a share.")).to_be_visible()
    slider = tab.get_by_role("slider", name="m", exact=True)
    slider.focus()
    for _ in range(3):
        lab.page.keyboard.press("PageDown")  # a tenth each
    expect(tab.get_by_role("slider", name="n", exact=True)).to_have_attribute("aria-valuetext", "30 %")
    expect(tab.get_by_text("conn.set_policy('asked', P.Split({'m': 0.7, 'n': 0.3}))")).to_be_visible()
    press(button)
    expect(tab.get_by_text("Setting the policy of asked: done")).to_be_visible()
    expect(tab.get_by_text("Answered by split: m 70 %, n 30 %.")).to_be_visible()
    assert cluster.get_policy("asked") == P.Split({"m": 0.7, "n": 0.3})
    row = tab.get_by_role("row").filter(has_text=re.compile("^m70 %"))
    expect(row).to_contain_text(re.compile(r"70 %\d+\.\d %"), timeout=60_000)
    everybody_can_use(lab, "policy-split", tab)
    open_tab(lab.page, "Pictures")
    picture = lab.page.get_by_role("img", name="asked: share of the inputs, by arm: now: m")
    expect(picture.first).to_be_visible()


def test_a_vote_is_set_by_mouse_and_says_how_much_it_agrees(
    cluster: ClipperConnection, lab: Notebook
) -> None:
    open_tab(lab.page, "Policy")
    tab = shown_tab(lab.page)
    tab.get_by_role("button", name="a vote", exact=True).click()
    tab.get_by_label("Another arm").select_option("m:1")
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.get_by_role("checkbox", name="m:1", exact=True).check()
    tab.get_by_label("weight of m:1").fill("2")
    tab.get_by_label("Least confidence").fill("0.6")
    tab.get_by_label("Least confidence").blur()
    weights = "weights={'m': 1.0, 'n': 1.0, 'm:1': 2.0}, min_confidence=0.6"
    expect(tab.get_by_text(f"P.Vote(['m', 'n', 'm:1'], {weights})")).to_be_visible()
    tab.get_by_role("button", name="Set the policy").click()
    expect(tab.get_by_text("Setting the policy of asked: done")).to_be_visible()
    agree = "All agree, or all gave a number, in 0.0 % of what they say."
    expect(tab.get_by_text(agree)).to_be_visible(timeout=60_000)
    # On a machine that does much else one of them may be late now and then.
    used = re.compile(r"Of 3 arms, (2\.9\d|3\.00) are in an answer\.")
    expect(tab.get_by_text(used)).to_be_visible(timeout=60_000)
    everybody_can_use(lab, "policy-vote", tab)
    open_tab(lab.page, "Pictures")
    expect(lab.page.get_by_role("img", name="asked: agreement of the arms: now: all agree")).to_be_visible()
    tab = shown_tab(lab.page)
    open_tab(lab.page, "Policy")
    tab.get_by_role("button", name="a learner", exact=True).click()
    tab.get_by_label("Learns by").select_option("exp3")
    tab.get_by_label("Explores").fill("0.2")
    tab.get_by_label("Explores").blur()
    expect(tab.get_by_text("P.Exp3(arms=['m', 'n'], explore=0.2)")).to_be_visible()
    press(tab.get_by_role("button", name="Set the policy"))
    expect(tab.get_by_text("Answered by exp3 of m, n.")).to_be_visible(timeout=60_000)
    row = tab.get_by_role("row").filter(has_text=re.compile("^mlearned"))
    expect(row).to_contain_text(re.compile(r"learned\d+\.\d %"), timeout=60_000)
    everybody_can_use(lab, "policy-learner", tab)
    expect(tab.get_by_label("Numbers a query")).to_be_hidden()
    tab.get_by_label("Learns by").select_option("lints")
    tab.get_by_label("Numbers a query").fill("3")
    tab.get_by_label("Numbers a query").blur()
    expect(tab.get_by_text("P.LinTS(features=3, arms=['m', 'n'], explore=0.2)")).to_be_visible()
    everybody_can_use(lab, "policy-by-numbers", tab)
    learns(cluster, lab)
    cluster.set_policy("asked", P.First())
    cluster.stop_feedback("asked")
    open_tab(lab.page, "Policy")
    tab = shown_tab(lab.page)
    expect(tab.get_by_text("Answered by the first linked model, m.")).to_be_visible(timeout=60_000)
    tab.get_by_role("button", name="a cascade", exact=True).click()
    tab.get_by_label("Models, the cheapest first").fill("n, m")
    tab.get_by_label("The next one below").fill("0.8")
    tab.get_by_label("The next one below").blur()
    tab.get_by_label("Its confidence").select_option("the largest probability")
    expect(tab.get_by_text("P.Cascade(['n', 'm'], below=0.8, rule='max')")).to_be_visible()
    press(tab.get_by_role("button", name="Set the policy"))
    expect(tab.get_by_text("Answered by cascade of n, m, below 0.8.")).to_be_visible(timeout=60_000)
    row = tab.get_by_role("row").filter(has_text=re.compile("^mthe unsure"))
    expect(row).to_contain_text(re.compile(r"the unsure\d+\.\d %"), timeout=60_000)
    everybody_can_use(lab, "policy-cascade", tab)
    cluster.set_policy("asked", P.First())
    collects(cluster, lab)


def learns(cluster: ClipperConnection, lab: Notebook) -> None:
    """What the learner of `asked` learns is drawn while it does."""
    lab.run("conn.learned('asked')")
    app = cluster.application("asked")
    for _ in range(5):
        answers = [app.predict([1.0], cache=False) for _ in range(20)]
        app.feedback(answers, reward=[float(each["output"] == "one") for each in answers], wait=True)
    view = lab.page.locator(".clipper-view").last
    for name in ("asked: regret, estimated from joined feedback: now: all arms alike: ", "asked: share of"):
        expect(view.get_by_role("img", name=name)).to_be_visible(timeout=60_000)
    expect(view.get_by_text("rewards were lost by not always asking the best arm")).to_be_visible()
    everybody_can_use(lab, "learned", view)
    open_tab(lab.page, "Pictures")
    seen = "asked: regret, estimated from joined feedback: now: "
    expect(shown_tab(lab.page).get_by_role("img", name=seen)).to_be_visible(timeout=60_000)


def collects(cluster: ClipperConnection, lab: Notebook) -> None:
    open_tab(lab.page, "Application")
    tab = shown_tab(lab.page)
    tab.get_by_label("Application", exact=True).select_option("asleep")
    expect(tab.get_by_text("asleep collects no feedback: its answers have no token.")).to_be_visible()
    tab.get_by_label("A label is worth").select_option("less, the more they differ")
    tab.get_by_label("Tolerance", exact=True).fill("2")  # the line of Python has tolerance=
    tab.get_by_label("Default reward").fill("much")
    expect(tab.get_by_text("A default reward is a number from 0 to 1, or nothing.")).to_be_visible()
    tab.get_by_label("Default reward").fill("0.5")
    line = "conn.collect_feedback('asleep', default_reward=0.5, score='distance', tolerance=2.0)"
    expect(tab.get_by_text(line)).to_be_visible()
    press(tab.get_by_role("button", name="Collect feedback", exact=True))
    expect(tab.get_by_text("Collecting feedback of asleep: done")).to_be_visible()
    expect(tab.get_by_text("asleep collects feedback for 3600 s after an answer.")).to_be_visible()
    expect(tab.get_by_text("It does so already.")).to_be_visible()
    everybody_can_use(lab, "feedback", tab)
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(tab.get_by_text("asleep collects no feedback: its answers have no token.")).to_be_visible()
    assert cluster.application("asleep").info["feedback"] is None


def test_a_rollout_is_started_steered_and_told(cluster: ClipperConnection, lab: Notebook) -> None:
    open_tab(lab.page, "Rollout")
    tab = shown_tab(lab.page)
    tab.get_by_label("Model", exact=True).select_option("m")
    status = tab.get_by_role("group", name="Rollout of m").get_by_role("status")
    expect(status).to_have_text("Model m has had no rollout yet.")
    for name in ("Pause", "Resume", "Promote", "Abort"):
        expect(tab.get_by_role("button", name=name, exact=True)).to_be_disabled()
    expect(tab.get_by_text("no rollout runs")).to_have_count(4)
    tab.get_by_label("Steps in %").fill("5, 1")
    expect(tab.get_by_text("Steps grow, up to 100.")).to_be_visible()
    tab.get_by_label("Steps in %").fill("50, 75")
    tab.get_by_label("Each for at least, in s").fill("3600")
    tab.get_by_role("checkbox", name="no slower answers").uncheck()
    expect(tab.get_by_text("P.NoMore('late', 1.2), P.NoMore('defaults')]")).to_be_visible()
    press(tab.get_by_role("button", name="Start the rollout"))
    expect(tab.get_by_text("Starting the rollout of m:1: done")).to_be_visible()
    expect(status).to_have_text("m: from version 2 to 1running: step 1 of 2, 50 % of the queries")
    expect(tab.get_by_text("one runs: promote or abort it first")).to_be_visible()
    expect(tab.get_by_text(re.compile("No worse so far, in .* s of this step left"))).to_be_visible(
        timeout=60_000
    )
    places = lab.page.evaluate(PLACES, [5, 0])
    assert len(places) == 1, places
    press(tab.get_by_role("button", name="Pause", exact=True))
    expect(status).to_contain_text("paused: step 1 of 2")
    everybody_can_use(lab, "rollout-paused", tab)
    press(tab.get_by_role("button", name="Resume", exact=True))
    expect(status).to_contain_text("running: step 1 of 2")
    expect(tab.get_by_role("button", name="Abort", exact=True)).to_be_enabled()
    tab.get_by_label("Reason").first.fill("it is Friday")
    press(tab.get_by_role("button", name="Abort", exact=True))
    expect(status).to_contain_text("aborted: version 2 answers all again")
    expect(tab.get_by_text(re.compile("Verdict: Aborted, by .*: it is Friday"))).to_be_visible()
    expect(tab.get_by_role("meter", name=re.compile("^errors"))).to_have_attribute("aria-valuenow", "0")


def test_a_rollout_that_passes_and_one_that_fails_end_by_themselves(
    cluster: ClipperConnection, opened: Callable[[str], Notebook], request: pytest.FixtureRequest
) -> None:
    """The first is shown in a view of its own, the second one in the side panel and without a kernel."""
    cluster.register_application("rolled", "doubles", -1, 20_000_000)
    for version in (1, 2):
        deploy_python_closure(cluster, "r", version, "doubles", constant("one"), example_input=[1.0])
    cluster.link_model_to_app("rolled", "r")
    request.addfinalizer(
        cluster.load("rolled", rate=40, seconds=600, inputs=[[1.0], [2.0]], cache=False).stop
    )
    lab = opened("rollouts")
    rollout = cluster.start_rollout("r", 1, steps=[0.5, 1], hold_s=0)
    lab.run(f"{CONNECT}conn.rollout('r')")
    view = lab.page.get_by_role("group", name="Rollout of r").last
    expect(view.get_by_role("status")).to_contain_text("passed: version 1 is current", timeout=120_000)
    expect(view).to_contain_text("No worse in")
    assert rollout.state == "passed"
    deploy_python_closure(cluster, "r", 3, "doubles", failing, make_current=False)
    lab.execute("clipperlab:show-panel")
    side = lab.page.locator(".clipper-panel")
    expect(side.get_by_text("r; ")).to_be_visible(timeout=60_000)
    test = cluster.start_rollout("r", 2, steps=[0.5], hold_s=0)
    for state, steer in (("running", test.pause), ("paused", test.abort)):
        told = f"Rollout to version 2 {state}: step 1 of 1, 50 % of the queries."
        expect(side.get_by_text(told)).to_be_visible(timeout=60_000)
        steer()
    bad = cluster.start_rollout("r", 3, steps=[0.2, 1], hold_s=3600)
    wait_for("it to fail", lambda: bad.state == "failed")
    expect(side.get_by_text("Rollout to version 3 failed: version 1 answers all again.")).to_be_visible()
    expect(view.get_by_role("status")).to_contain_text("failed: version 1 answers all again")
    expect(view.get_by_role("meter", name=re.compile("^errors"))).to_have_attribute("aria-valuenow", "100")
    expect(view).to_contain_text("Verdict: Too many")
    everybody_can_use(lab, "rollout-failed", view)
    shadow = cluster.start_shadow("r", 2, fraction=1)
    said = re.compile(r"Shadow: version 2 is asked 100 % of the inputs, and agrees in \d.* % of \d")
    expect(side.get_by_text(said)).to_be_visible(timeout=60_000)
    shadow.stop()
    expect(side.get_by_text(said)).to_be_hidden(timeout=60_000)
    lab.execute("notebook:shutdown-kernel")
    lab.execute("clipperlab:show-panel")
    expect(
        lab.page.get_by_text("Rollout of r of cluster panel-browser, live and without a kernel")
    ).to_be_visible(timeout=60_000)
    expect(lab.page.locator(".clipper-live").last).to_contain_text("Verdict: Too many")
    everybody_can_use(lab, "rollout-no-kernel", lab.page.locator(".clipper-live").last)


def failing(inputs: list[Any]) -> list[Any]:
    raise ValueError("This version cannot.")


def press(button: Locator) -> None:
    """By the keyboard."""
    expect(button).to_be_enabled()
    button.focus()
    button.page.keyboard.press("Enter")


def shown_tab(page: Page) -> Locator:
    return page.locator(".clipper-view").first.locator(".widget-tab-contents > *:not(.lm-mod-hidden)")


def everybody_can_use(lab: Notebook, name: str, shown: Locator) -> None:
    """In both themes, with much room and with little; and a picture of each, for whoever changes it."""
    for theme in ("Light", "Dark"):
        lab.execute("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-name", f"JupyterLab {theme}")
        for width in (1280, 560):
            lab.page.set_viewport_size({"width": width, "height": 1500})
            shown.evaluate("(node) => node.scrollIntoView()")
            lab.shoot(f"{name}-{theme.lower()}-{width}")
        assert violations(lab.page, ".jp-OutputArea-output") == []


def open_tab(page: Page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
