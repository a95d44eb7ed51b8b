"""What one replica may have of a machine."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .errors import BadRequest

GPU = "nvidia.com/gpu"
_KEYS = {"cpus", "memory", "gpus", "devices", "shared_memory", "node_selector", "tolerations"}
_UNITS = {"": 1, **{unit: 1000**n for n, unit in enumerate("KMGT", 1)}}
_UNITS |= {f"{unit}i": 1024**n for n, unit in enumerate("KMGT", 1)}
_MEMORY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)([KMGT]i?)?B?")
_DEVICE = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?")


class Resources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of each replica; what is None is not limited.

    `cpus` may be a part of one. `memory` is in bytes. `devices` counts extended resources under their
    Kubernetes names, such as {"nvidia.com/gpu": 1} or {"google.com/tpu": 4}. `shared_memory` is what /dev/shm
    holds, in bytes. `node_selector` has the labels of the nodes that will do, and `tolerations` the taints
    that do not matter, both as Kubernetes writes them; elsewhere there are no nodes to choose from.
    """

    cpus: float | None = None
    memory: int | None = None
    devices: dict[str, int] = {}
    shared_memory: int | None = None
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, str | int]] = []

    @property
    def gpus(self) -> int:
        return self.devices.get(GPU, 0)

    @classmethod
    def of(
        cls,
        cpus: float | None = None,
        memory: int | str | None = None,
        gpus: int = 0,
        devices: dict[str, int] | None = None,
        shared_memory: int | str | None = None,
        node_selector: dict[str, str] | None = None,
        tolerations: list[dict[str, str | int]] | None = None,
    ) -> Resources:
        """As people write it: memory may be "512Mi" or "2G", and `gpus=n` is a device like any other.

        Raises BadRequest.
        """
        if cpus is not None and not (_is_number(cpus) and cpus > 0):
            raise BadRequest(f"cpus must be a number above 0, such as 0.5 or 2, not {cpus!r}.")
        wanted = {**(devices or {}), **({GPU: gpus} if gpus else {})}
        for name, count in wanted.items():
            if not _DEVICE.fullmatch(name):
                raise BadRequest(f"{name!r} is no device: write vendor/device, such as nvidia.com/gpu.")
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise BadRequest(f"{name}: a replica gets a whole number of devices from 1, not {count!r}.")
        cpus = None if cpus is None else float(cpus)
        try:
            return msgspec.convert(
                {
                    "cpus": cpus,
                    "memory": _bytes("memory", memory),
                    "devices": wanted,
                    "shared_memory": _bytes("shared_memory", shared_memory),
                    "node_selector": node_selector or {},
                    "tolerations": tolerations or [],
                },
                cls,
            )
        except msgspec.ValidationError as error:
            raise BadRequest(
                "node_selector is a dictionary of labels, and tolerations a list of dictionaries, as "
                f"Kubernetes has them: {error}."
            ) from None

    @classmethod
    def read(cls, value: Any) -> Resources:
        """From a dictionary of `of`'s arguments, a Resources, or None. Raises BadRequest."""
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict) or not value.keys() <= _KEYS:
            raise BadRequest(
                f"resources must be a dictionary with {', '.join(sorted(_KEYS))}, not {value!r}. "
                'For example {"cpus": 1, "memory": "512Mi"}.'
            )
        return cls.of(**value)


def _bytes(name: str, memory: int | str | None) -> int | None:
    if memory is None:
        return None
    if isinstance(memory, str) and (found := _MEMORY.fullmatch(memory.strip())):
        memory = int(float(found[1]) * _UNITS[found[2] or ""])
    if isinstance(memory, bool) or not isinstance(memory, int) or not 0 < memory < 2**63:
        raise BadRequest(f'{name} must be bytes, or a text such as "512Mi" or "2G", not {memory!r}.')
    return memory


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
