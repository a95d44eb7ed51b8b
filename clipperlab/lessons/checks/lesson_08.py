from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import Checked, NotYet, check

if TYPE_CHECKING:
    from clipper_container.artifact import Manifest


@check(
    "torch-deploy",
    hints=(
        "Compare the two lists: where do they differ?",
        "Version 1 must be the current one: `conn.get_current_model_version('digits')`.",
        "Run the lesson from the top: a network that was trained further after the deploy answers otherwise.",
    ),
)
def same_answers(wb: Checked, served: Sequence[int], here: Sequence[int]) -> None:
    _same(served, here)


@check(
    "torch-batches",
    hints=(
        "`costs` has the milliseconds of a batch for each number of pictures.",
        "Run the cell again: a machine that is busy otherwise may have been slow for a moment.",
        "`costs = {number: compute_ms(number) for number in (1, 8, 32, 128)}`",
    ),
)
def batches_pay(wb: Checked, costs: Mapping[int, float]) -> None:
    if set(costs) != {1, 8, 32, 128}:
        raise NotYet("There should be the costs of 1, 8, 32 and 128 pictures.")
    if costs[128] / 128 >= costs[1]:
        raise NotYet("In a batch of 128 each picture should cost less than one that comes alone.")


@check(
    "torch-threads",
    hints=(
        "`resources={'cpus': 2}` is for the deployer.",
        "The first number that the model answers with is that of its threads.",
        "`given, *ms = conn.application('threads').predict([0.0])['output']`",
    ),
)
def threads_given(wb: Checked, given: float) -> None:
    cpus = float((wb.conn.get_model_info("threads", 1) or {"resources": {}})["resources"].get("cpus") or 1)
    if given != cpus:
        raise NotYet(f"The replica was given {cpus:g} cpus, and has {given:g} threads.")


@check(
    "torch-export",
    hints=(
        "Compare the two lists: where do they differ?",
        "Version 2 is staged, so it answers queries that ask for it: `ask(some, version='2')`.",
        "Export `net` after it was trained, in evaluation mode, and deploy it again as the cell does.",
    ),
)
def exported(wb: Checked, served: Sequence[int], here: Sequence[int]) -> None:
    _same(served, here)


@check(
    "torch-environment",
    hints=(
        "Look at `manifest.python`, `manifest.packages`, `said` and `warnings`.",
        "The warnings are in `conn.get_model_info('digits', 5)['warnings']`.",
        "Run the cells of *Break it* from the first to the last.",
    ),
)
def told(wb: Checked, manifest: Manifest, said: str, warnings: Sequence[str]) -> None:
    if "torch" not in manifest.packages:
        raise NotYet("The manifest does not record the version of torch.")
    if manifest.python not in said and "Python 3.9.2" not in said:
        raise NotYet("The deploy of the artifact from Python 3.9.2 should have said why it fails.")
    if not any("torch" in warning and "1.13.1" in warning for warning in warnings):
        raise NotYet("There should be a warning of torch 1.13.1.")


@check(
    "exercise-torch-probability",
    hints=(
        "`model(batch)` gives ten numbers for each picture. `softmax(1)` makes probabilities of them.",
        "`.max(1)` of the probabilities gives the largest ones and where they are: `values` and `indices`.",
        "`best = model(batch).softmax(1).max(1)`, and return "
        "`[[float(i), float(v)] for i, v in zip(best.indices, best.values)]`.",
    ),
)
def sure(wb: Checked, wanted: Sequence[Sequence[float]], picture: Sequence[float]) -> None:
    if wb.conn.get_app_info("sure") is None:
        raise NotYet("There is no application `sure`.")
    said = wb.conn.application("sure").predict(list(picture))
    if said["default"]:
        raise NotYet(f"It answers with the default output: {said['default_explanation']}")
    output = said["output"]
    if not isinstance(output, list) or len(output) != 2:
        raise NotYet(f"An answer should be [digit, probability], and is {output}.")
    (digit, probability), (true_digit, true_probability) = output, wanted[0]
    if digit != true_digit:
        raise NotYet(f"It says {digit:g} where the notebook's network says {true_digit:g}.")
    if not abs(probability - true_probability) < 0.001:
        raise NotYet(f"It is sure by {probability:.3f}, where the notebook says {true_probability:.3f}.")


@check(
    "exercise-torch-batch",
    hints=(
        "Ask a batch, take the `query_id` of its first answer, and ask `conn.why(query_id)`.",
        "`conn.why(query_id)['models'][0]['batch']['compute_ms']` is for all of them: divide by `n`.",
        "`each_ms = {n: conn.why(ask(pictures[:n])[0]['query_id'])['models'][0]['batch']['compute_ms'] / n "
        "for n in (1, 16, 128)}`",
    ),
)
def cheapest(wb: Checked, each_ms: Mapping[int, float]) -> None:
    if set(each_ms) != {1, 16, 128}:
        raise NotYet("`each_ms` should have a time for 1, 16 and 128 pictures.")
    if not all(ms > 0 for ms in each_ms.values()):
        raise NotYet("A time is in milliseconds, and more than 0.")
    if each_ms[128] >= each_ms[1]:
        raise NotYet("In a batch of 128 a picture should cost less than alone. Did you divide by the size?")


@check(
    "exercise-torch-record",
    hints=(
        "`read_manifest(path)` gives the manifest of an artifact.",
        "The digest is in `conn.get_model_info('sure', 1)['artifact']`; the file is named by it.",
        "`manifest = read_manifest(conn.cm.folder / 'artifacts' / digest.removeprefix('sha256:'))`, then "
        "`record = {'python': manifest.python, 'torch': manifest.packages['torch']}`.",
    ),
)
def recorded(wb: Checked, record: Mapping[str, Any] | None) -> None:
    import platform
    from importlib.metadata import version

    if not record:
        raise NotYet("There is no record yet.")
    wanted = {"python": platform.python_version(), "torch": version("torch")}
    wrong = sorted(name for name in wanted if record.get(name) != wanted[name])
    if wrong:
        raise NotYet(f"The manifest says something else of {' and '.join(wrong)}.")


def _same(served: Sequence[int], here: Sequence[int]) -> None:
    if len(served) != len(here) or not here:
        raise NotYet(f"There are {len(served)} answers for {len(here)} pictures.")
    others = sum(a != b for a, b in zip(served, here, strict=True))
    if others:
        raise NotYet(f"{others} of {len(here)} answers differ from the notebook's.")
