"""Models: which there are, in what versions, and which of them is current."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from clipper_container.errors import NotFound
from clipper_container.near import unknown

from ..display.history import History
from .attached import Attached

if TYPE_CHECKING:
    from ..management import Version


class Models(Attached):
    """Operations that look at models."""

    @overload
    def get_all_models(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_models(self, verbose: Literal[True]) -> list[Version]: ...
    def get_all_models(self, verbose: bool = False) -> list[str] | list[Version]:
        """All versions of all models, "name:version"; `verbose` gives what `get_model_info` does.

        A version that failed to deploy is among them until it is stopped or deployed again.

        >>> conn.get_all_models()
        ['bayes:1', 'digits:1', 'digits:2']
        """
        versions = self._management.models()
        return versions if verbose else [f"{v['model_name']}:{v['model_version']}" for v in versions]

    def get_model_info(self, name: str, version: object) -> Version | None:
        """All about one version; None where there is none like that.

        >>> conn.get_model_info("digits", 2)["state"]
        'ready'
        """
        try:
            return self._management.version(name, version)
        except NotFound:
            return None

    def get_current_model_version(self, name: str) -> str:
        """The version that answers. Raises NotFound, also where none does.

        >>> conn.get_current_model_version("digits")
        '2'
        """
        for version in self._versions_of([name]):
            if version["is_current_version"]:
                return version["model_version"]
        raise NotFound(
            f"Model {name!r} has no current version: none was ready yet, or it was removed. `clipperlab "
            "versions` tells their states, and set_model_version makes one current."
        )

    def get_model_history(self, name: str) -> History:
        """Who made which version current, when and why; the last move at the end. A rollout that failed or
        was aborted is among them, with its version, which never was the current one. Raises NotFound.

        >>> conn.set_model_version("digits", 1, message="to compare")
        >>> conn.get_model_history("digits")[-1]["message"]
        'to compare'
        """
        return History(self._management.history(name))

    def _versions_of(self, names: Sequence[str]) -> list[Version]:
        """All versions of these models. Raises NotFound where one of them has none."""
        versions = self._management.models()
        known = {v["model_name"] for v in versions}
        for name in names:
            if name not in known:
                raise NotFound(unknown("model", name, "Models", sorted(known)))
        return [v for v in versions if v["model_name"] in names]
