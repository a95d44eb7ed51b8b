"""All arms are asked, and the answer is what most of them say, or their mean: an ensemble."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from clipper_container.named import is_named
from clipper_container.tensors import Tensor, as_plain
from clipper_container.wire import Fault

from ...policies import VoteSpec
from ..learned import Known, Rows
from ..task import Outcome, Output
from . import Able, Arm, Combined, Decision

LOW_CONFIDENCE = "low_confidence"
"""Why the default output answers where the arms disagree too much, or too few have a number in time."""
_SHOWN = 40  # letters of what an arm said


class Weights:
    """By the arms' names in the policy; a version that a rollout asks in a model's place has the model's."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._weights = weights
        self.whole = sum(weights.values())

    def of(self, arm: Arm) -> float:
        found = self._weights.get(arm.name)
        return self._weights[arm.model] if found is None else found


class Vote:
    """Whole numbers, texts and all else are labels, of which one wins. Numbers with a fraction, and arrays of
    them, are averaged.
    """

    name = "Vote"
    choice, sticky, steps = True, False, False

    def __init__(self, spec: VoteSpec, rows: Rows | None = None) -> None:
        self.arms = [Arm.of(name) for name in spec.arms]
        self.early = spec.early
        self.learned = spec.learned
        self._rows: Rows = {} if rows is None else rows
        self._given = Weights({name: spec.weights.get(name, 1.0) for name in spec.arms})
        self._of_contexts: dict[str, tuple[Known, Weights]] = {}
        self._least = spec.min_confidence
        self._all = Decision(self.arms)
        self._means: dict[Arm, _Mean] | None = None if spec.missing == "leave out" else defaultdict(_Mean)

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """All that have replicas; where none has, all."""
        there = [arm for arm in self.arms if able(arm)]
        decision = self._all
        if there and len(there) < len(self.arms):
            decision = Decision(there, 1.0, [arm for arm in self.arms if arm not in there])
        return decision._replace(context=context, epoch=self.epoch(context)) if self.learned else decision

    def epoch(self, context: str) -> int:
        """Since when the weights for that context are as they are."""
        row = self._rows.get(context)
        return 0 if row is None else row.epoch

    def _weights(self, context: str) -> Weights:
        """For one of which nothing is known all arms are alike; an arm that has no part in what is known has
        what the others have in the mean.
        """
        row = self._rows.get(context) if self.learned else None
        if row is None:
            return self._given
        found = self._of_contexts.get(context)
        if found is None or found[0] is not row:
            mean = sum(row.weights.values()) / len(row.weights)
            found = row, Weights({arm.name: row.weights.get(arm.name, mean) for arm in self.arms})
            if len(self._of_contexts) > len(self._rows):  # some are of contexts that were forgotten
                self._of_contexts.clear()
            self._of_contexts[context] = found
        return found[1]

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        there = _there(decision, outcomes)
        if not there:
            return Combined(outcomes[0], 0.0, 0)
        weights = self._weights(decision.context)
        first = there[0][1]
        if self._means is None and all(output == first for _, output in there[1:]):  # the commonest by far
            behind = sum([weights.of(arm) for arm, _ in there])
            return self._enough(Combined(first, behind / weights.whole, len(there)), there)
        numbers = _numbers([output for _, output in there])
        if numbers is not None:
            return self._enough(self._mean(weights, decision, there, numbers), there)
        votes = _votes(weights, there)
        winner = max(votes.values(), key=lambda vote: vote[0])  # of equal ones the first
        return self._enough(Combined(winner[1], winner[0] / weights.whole, len(there)), there)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        """With numbers never: each that comes moves the mean."""
        there = _there(decision, outcomes)
        if not there or _numbers([output for _, output in there]) is not None:
            return False
        weight = self._weights(decision.context)
        open_ = sum(weight.of(a) for a, o in zip(decision.arms, outcomes, strict=True) if o is None)
        weights = sorted((weight for weight, _ in _votes(weight, there).values()), reverse=True)
        first, second = weights[0], sum(weights[1:2])
        if first <= second + open_:
            return False
        least = self._least * weight.whole
        return first >= least or first + open_ < least

    def _mean(
        self,
        weight: Weights,
        decision: Decision,
        there: Sequence[tuple[Arm, Output]],
        numbers: Sequence[np.ndarray],
    ) -> Combined:
        weights = [weight.of(arm) for arm, _ in there]
        behind = sum(weights) / weight.whole
        if self._means is not None:
            came_from = {arm for arm, _ in there}
            for (arm, _), value in zip(there, numbers, strict=True):
                self._means[arm].add(value)
            for arm in decision.arms:
                mean = self._means[arm].value
                if arm not in came_from and mean is not None and mean.shape == numbers[0].shape:
                    numbers = [*numbers, mean]
                    weights.append(weight.of(arm))
        mean = np.average(np.stack(numbers), axis=0, weights=weights)
        first = there[0][1]
        if isinstance(first, Tensor):
            data = mean.astype(first.dtype).tobytes()
            return Combined(Tensor(data, first.shape, first.dtype), behind, len(there))
        return Combined(msgspec.json.encode(mean.tolist()), behind, len(there))

    def _enough(self, combined: Combined, there: Sequence[tuple[Arm, Output]]) -> Combined:
        confidence = combined.confidence or 0.0
        if confidence >= self._least - 1e-9:
            return combined
        said = ", ".join(f"{arm.name} {_shown(output)}" for arm, output in there[:5])
        averaged = _numbers([output for _, output in there]) is not None
        behind = "had a number in time" if averaged else "is behind one answer"
        message = (
            f"{confidence:.0%} of the weight {behind}, and min_confidence asks for "
            f"{self._least:.0%}. Said: {said}{', ...' if len(there) > 5 else ''}."
        )
        return combined._replace(outcome=Fault(LOW_CONFIDENCE, message))


def _votes(weights: Weights, there: Sequence[tuple[Arm, Output]]) -> dict[Hashable, tuple[float, Output]]:
    """What was said, with the weight of those who say it."""
    votes: dict[Hashable, tuple[float, Output]] = {}
    for arm, output in there:
        key = _label(output)
        weight, said = votes.get(key, (0.0, output))
        votes[key] = weight + weights.of(arm), said
    return votes


def _there(decision: Decision, outcomes: Sequence[Outcome | None]) -> list[tuple[Arm, Output]]:
    """What has come, with whose it is."""
    return [
        (arm, output)
        for arm, output in zip(decision.arms, outcomes, strict=True)
        if output is not None and not isinstance(output, Fault)
    ]


class _Mean:
    """Of all that an arm has said so far."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None
        self._count = 0

    def add(self, value: np.ndarray) -> None:
        if self.value is None or self.value.shape != value.shape:
            self.value, self._count = value, 1
        else:
            self._count += 1
            self.value = self.value + (value - self.value) / self._count


def _label(output: Output) -> Hashable:
    """What is the same for the same label, which may be JSON for one arm and a tensor for another."""
    if isinstance(output, Tensor) and is_named(output.dtype):
        return msgspec.json.encode(as_plain(output))  # as that of an arm that answers in JSON
    if isinstance(output, Tensor):
        values = _array(output).tolist() if output.dtype[1:2] in "iuf" else None
        value = values[0] if values is not None and len(values) == 1 else bytes(output.data)
    else:
        value = msgspec.json.decode(output)
    try:
        hash(value)
    except TypeError:
        return bytes(output)  # type: ignore[arg-type]
    return isinstance(value, bool), value  # true is no 1


def _numbers(outputs: Sequence[Output]) -> list[np.ndarray] | None:
    """The outputs as arrays of one shape, where they are numbers with a fraction; else None."""
    found = []
    for output in outputs:
        if isinstance(output, Tensor):
            array = _array(output).reshape(output.shape) if output.dtype[1:2] in "iuf" else None
        elif output[:1] in b"-0123456789[":
            array = _of_json(output)
        else:
            array = None
        if array is None or array.dtype.kind not in "iuf":
            return None
        found.append(array)
    if len({array.shape for array in found}) > 1 or all(array.dtype.kind != "f" for array in found):
        return None
    return [array.astype(float) for array in found]


def _array(tensor: Tensor) -> np.ndarray:
    return np.frombuffer(tensor.data, tensor.dtype)


def _of_json(output: bytes) -> np.ndarray | None:
    try:
        return np.array(msgspec.json.decode(output))
    except ValueError:  # lists of several lengths
        return None


def _shown(output: Output) -> str:
    text = (
        f"a tensor {list(output.shape)}"
        if isinstance(output, Tensor)
        else bytes(output).decode(errors="replace")
    )
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
