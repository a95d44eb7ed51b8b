"""The limit of a replica's memory, kept by the operating system.

RLIMIT_DATA counts what a process allocates, and not the libraries that it maps, as RLIMIT_AS does: with that
one, importing scipy fails where the model itself would fit. Linux keeps it; macOS takes it and does nothing.
"""

from __future__ import annotations

import resource

MIB = 1 << 20


def limit_memory(size: int) -> None:
    """From now on this process gets a MemoryError for what goes beyond `size` bytes."""
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def out_of_memory(size: int | None) -> str:
    """What to do about a MemoryError, for the person who deployed."""
    if size is None:
        return "The machine has no memory left for this model. Use a smaller one, or fewer replicas."
    return (
        f"The model needs more memory than the {size / MIB:.0f} MiB that each of its replicas may have. Give "
        f'it more, as in resources={{"memory": "{2 * size // MIB}Mi"}}, or use a smaller model.'
    )
