"""The arms one after the other, the cheapest first, until one is sure enough of what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from clipper_container.named import is_named
from clipper_container.tensors import Tensor, taken_apart
from clipper_container.wire import Fault

from ...policies import CascadeSpec
from ..task import Outcome, Output
from . import Able, Arm, Combined, Decision


class _Said(msgspec.Struct, gc=False):
    output: msgspec.Raw
    confidence: float


_said = msgspec.json.Decoder(_Said).decode
_numbers = msgspec.json.Decoder(list[float]).decode
_WANTED = {
    "field": 'no confidence from 0 to 1 beside its output, as {"output": ..., "confidence": 0.9}',
    "max": "no list of probabilities from 0 to 1",
}


class Cascade:
    """`complain` is told of a version, as model:version, that does not say how sure it is."""

    name = "Cascade"
    choice, sticky, early, steps = True, False, False, True

    def __init__(self, spec: CascadeSpec, complain: Callable[[str, str], None]) -> None:
        self.arms = [Arm.of(name) for name in spec.arms]
        self._below = spec.below
        self._rule = spec.rule
        self._complain = complain
        self._decision = Decision(self.arms)

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """All of them: who has no replica is passed over when its turn comes."""
        return self._decision

    def enough(self, version: str, output: Output) -> bool:
        """Whether no other arm needs to be asked, as that version has said this."""
        confidence = self._read(output)[1]
        if confidence is None:
            self._complain(
                version,
                f"{version} is asked in a cascade, and returns {_WANTED[self._rule]}: "
                "each time the next model is asked, too.",
            )
            return False
        return confidence >= self._below

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        """What the last of them said that has an output. It stands, and is `partial`, where another was
        wanted.
        """
        place = next((i for i in reversed(range(len(outcomes))) if not isinstance(outcomes[i], Fault)), None)
        if place is None:
            return Combined(outcomes[-1], used=0, place=len(outcomes) - 1)
        answered = outcomes[place]
        assert not isinstance(answered, Fault)
        output, confidence = self._read(answered)
        unsure = place < len(decision.arms) - 1 and (confidence or 0.0) < self._below
        return Combined(output, confidence, 1, place, unsure)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False

    def _read(self, output: Output) -> tuple[Output, float | None]:
        """What a client gets of it, and how sure it is; None where it does not say."""
        try:
            if isinstance(output, Tensor):
                if self._rule == "field" and is_named(output.dtype):
                    return _of_set(output)
                if self._rule == "field" or output.dtype[1:2] not in "fiu":
                    return output, None
                return output, _share(float(np.frombuffer(output.data, output.dtype).max()))
            if self._rule == "max":
                return output, _share(max(_numbers(output)))
            said = _said(output)
        except (ValueError, msgspec.MsgspecError):
            return output, None
        confidence = _share(said.confidence)
        return (output, None) if confidence is None else (bytes(said.output), confidence)


def _of_set(output: Tensor) -> tuple[Output, float | None]:
    parts = taken_apart(output)
    said, sure = parts.get("output"), parts.get("confidence")
    if said is None or sure is None or sure.dtype[1:2] not in "fiu" or sure.shape:
        return output, None
    confidence = _share(float(np.frombuffer(sure.data, sure.dtype)[0]))
    if confidence is None:
        return output, None
    data = bytes(said.data)
    return (data if said.dtype == "json" else said._replace(data=data)), confidence


def _share(value: float) -> float | None:
    return value if 0 <= value <= 1 else None
