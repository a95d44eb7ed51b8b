"""Parameters that ask for what there is not."""

from __future__ import annotations

from .bodies import OutputParameters, Parameters
from .refusals import NO_PRIORITY, NO_SEQUENCES, NO_SHARED_MEMORY


def check_request(parameters: Parameters) -> None:
    """Raises ValueError."""
    if parameters.priority:
        raise ValueError(NO_PRIORITY)
    if parameters.sequence_id or parameters.sequence_start or parameters.sequence_end:
        raise ValueError(NO_SEQUENCES)


def check_output(parameters: OutputParameters) -> None:
    """Raises ValueError."""
    if parameters.shared_memory_region is not None:
        raise ValueError(NO_SHARED_MEMORY)
