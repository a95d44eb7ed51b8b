"""Addresses that the command line prints: what it forwards itself ends with the command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..places import ContainerManager
from ..places.kubernetes import KubernetesContainerManager
from .app import console


def lasting(place: ContainerManager, found: Iterable[Mapping[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """With the addresses under these keys as pods name them, where only a port-forward leads there."""
    if not isinstance(place, KubernetesContainerManager):
        return [{**each} for each in found]
    return [{**each, **{key: each[key] and place.lasting(each[key]) for key in keys}} for each in found]


def hint(place: ContainerManager) -> None:
    """Say how one comes to what has a name in the cluster alone."""
    if isinstance(place, KubernetesContainerManager) and place.forwards:
        command = f"`{place.port_forward}` leads there from here."
        console().print(f"Pods find the cluster at these names: {command}", soft_wrap=True)
