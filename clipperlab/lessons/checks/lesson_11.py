"""Checks of lesson 11, on models in containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import Checked, NotYet, check

if TYPE_CHECKING:
    from ...connection import ClipperConnection

MIB = 1 << 20


def _answer(place: ClipperConnection, app: str, input: object) -> Any:
    """The model's output. Raises NotYet where the default one comes instead."""
    import httpx2

    url = f"http://{place.get_query_addr()}/{app}/predict"
    response = httpx2.post(url, json={"input": input}, trust_env=False, verify=False, timeout=10)
    if response.status_code == 404:
        raise NotYet(f"There is no application {app}: register it first.")
    answer = response.json()
    if answer.get("default", True):
        raise NotYet(f"The application {app} gives its default answer: {answer.get('default_explanation')}")
    return answer["output"]


def _info(place: ClipperConnection, model: str) -> Any:
    info = place.get_model_info(model, 1)
    if info is None:
        raise NotYet(f"There is no version 1 of a model {model} yet.")
    if info["state"] != "ready":
        raise NotYet(f"Version 1 of {model} is {info['state']}. {info['error'] or ''}")
    return info


@check(
    "containers-same",
    hints=(
        "Both clusters need a model `where`, behind an application of that name.",
        "`serve(place, name, function)` is called with `conn`, and with `docked`.",
        'serve(docked, "where", where)',
    ),
)
def same(wb: Checked, docked: ClipperConnection) -> None:
    answers = [_answer(place, "where", [1.0]).rpartition(" on ")[2] for place in (wb.conn, docked)]
    if answers[0] == answers[1]:
        raise NotYet(f"Both answers come from {answers[0]}: one should come from a container.")


@check(
    "containers-cost",
    hints=(
        "Both figures are in milliseconds, and above zero.",
        "Ask each cluster the same query some hundred times, and take the median of each.",
        "np.percentile(took, 50), for the processes first.",
    ),
)
def cost(wb: Checked, processes_ms: float, docker_ms: float) -> None:
    if not (0 < processes_ms < 1000 and 0 < docker_ms < 1000):
        raise NotYet(f"{processes_ms:g} and {docker_ms:g} ms cannot be what a query takes here.")


@check(
    "containers-packages",
    hints=(
        "Each model is deployed with pkgs_to_install.",
        'The version is part of what is asked for: "packaging==23.0".',
        'serve(docked, "older", its_version, pkgs_to_install=["packaging==23.0"])',
    ),
)
def packages(wb: Checked, docked: ClipperConnection, *names: str) -> None:
    answers = [_answer(docked, name, [1.0]) for name in names]
    if len(set(answers)) < 2:
        raise NotYet(f"They answer {' and '.join(map(str, answers))}: the versions should be different ones.")


@check(
    "containers-isolated",
    hints=(
        "The model in the container reports what came of each attempt.",
        "Its answer is a dictionary: what was tried, and what came of it.",
        'found = ask(docked, "looks")["output"]',
    ),
)
def isolated(wb: Checked, found: Mapping[str, str]) -> None:
    done = [what for what, came_of_it in found.items() if not came_of_it.startswith("refused")]
    if len(found) < 3 or done:
        raise NotYet(f"Not refused: {', '.join(done) or 'fewer than three things were tried'}.")


@check(
    "containers-image",
    hints=(
        "build_model returns the image's name, and deploy_model takes it.",
        "model_class names the class that answers, as module:Class.",
        'docked.deploy_model("bouncer", 1, "doubles", image)',
    ),
)
def built(wb: Checked, docked: ClipperConnection, image: str) -> None:
    if _info(docked, "bouncer")["image"] != image:
        raise NotYet(f"Version 1 of bouncer does not run in {image}.")
    if [_answer(docked, "bouncer", [n]) for n in (9.0, 11.0)] != ["out", "in"]:
        raise NotYet("The bouncer should let 11 in, and leave 9 out.")


@check(
    "exercise-containers-limits",
    hints=(
        "A deployer takes resources=, and num_replicas=.",
        'The resources are a dictionary with "cpus" and "memory".',
        'resources={"cpus": 0.5, "memory": "128Mi"}, num_replicas=2',
    ),
)
def limits(wb: Checked) -> None:
    info = _info(wb.conn, "small")
    found = info["resources"]["cpus"], info["resources"]["memory"], info["num_replicas"]
    if found != (0.5, 128 * MIB, 2):
        raise NotYet(f"It has {found[2]} replicas with {found[0]} cores and {found[1]} bytes of memory.")


@check(
    "exercise-containers-package",
    hints=(
        "The function is right. It lacks a package where it runs.",
        "A deployer takes pkgs_to_install=, a list.",
        'deploy_python_closure(conn, "plural", 1, "strings", plural, pkgs_to_install=["inflect"])',
    ),
)
def package(wb: Checked) -> None:
    info = _info(wb.conn, "plural")
    if not any(requirement.startswith("inflect") for requirement in info["requirements"]):
        raise NotYet("Version 1 of plural was deployed without the package.")
    _ask_model(wb, "plural", "strings", "cat", "cats")


@check(
    "exercise-containers-image",
    hints=(
        "Two calls: one builds, one deploys.",
        'build_model takes the folder, and model_class="greeter:Greeter".',
        'conn.deploy_model("greeter", 1, "strings", image), with the image that build_model returned.',
    ),
)
def own_image(wb: Checked, image: str | None) -> None:
    if image is None:
        raise NotYet("`image` is None still.")
    if _info(wb.conn, "greeter")["image"] != image:
        raise NotYet(f"Version 1 of greeter does not run in {image}.")
    _ask_model(wb, "greeter", "strings", "Ada", "Hello, Ada")


def _ask_model(wb: Checked, model: str, input_type: str, input: object, expected: object) -> None:
    """Ask it behind an application of the check's own."""
    app = f"check-{model}"
    if app not in wb.conn.get_all_apps():
        wb.conn.register_application(app, input_type, "", 5_000_000)
        wb.conn.link_model_to_app(app, model)
    output = _answer(wb.conn, app, input)
    if output != expected:
        raise NotYet(f"For {input!r} it says {output!r}, and should say {expected!r}.")
