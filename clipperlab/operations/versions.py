"""Versions: made current, rolled back, and stopped."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clipper_container.errors import BadRequest

from ..policies import arms_of, model_of
from .replicas import Replicas

if TYPE_CHECKING:
    from ..management import Version

_T = TypeVar("_T")


class Versions(Replicas):
    """Operations that move between versions and end them."""

    def set_model_version(
        self, name: str, version: object, num_replicas: int | None = None, *, message: str = ""
    ) -> None:
        """Make a deployed version the current one: back or forward, without a failed query.

        Where `num_replicas` is given, the version first gets that many. `message` says why, for the
        history. Raises NotFound or BadRequest; and with `num_replicas` what `set_num_replicas` raises.

        >>> conn.set_model_version("digits", 1, message="it was better")
        >>> conn.get_current_model_version("digits")
        '1'
        """
        if num_replicas is not None:
            self.set_num_replicas(name, num_replicas, version)
        self._management.set_current(name, version, message)

    def set_version_label(self, name: str, version: object | None, label: str) -> None:
        """Let clients ask for a version by a label, such as "stable"; another one that has it has it no more.

        Where a protocol has labels, they may: `/v1/models/digits/labels/stable:predict` of TensorFlow
        Serving's. A version that has one cannot be removed. Without a version (None) the label is taken
        away. Raises NotFound, or BadRequest where the version is not ready.

        >>> conn.set_version_label("digits", 2, "stable")
        >>> conn.get_model_info("digits", 2)["version_labels"]
        ['stable']
        """
        self._management.set_version_label(name, label, version)

    def rollback(self, name: str, *, message: str = "") -> str:
        """Make the version before the current one the current one; return which it is.

        At once, for its replicas still run, and without a failed query. A second roll-back goes one version
        further back. `message` says why, for the history. Raises NotFound, or BadRequest where there is
        none to go back to.

        >>> conn.rollback("digits", message="worse on sevens")
        '1'
        """
        return self._management.roll_back(name, message)["model_version"]

    def save_artifact(self, name: str, version: object, path: str | Path) -> None:
        """Write what a version was deployed from, the packaged model, to the file `path`.

        `deploy_model(artifact=path)` deploys it elsewhere, and `clipperlab images build sagemaker` makes an
        image of it. Raises NotFound, and BadRequest for a version that has none, or where the file cannot be
        written.

        >>> conn.save_artifact("digits", 2, "digits.zip")
        """
        digest = self._management.version(name, version)["artifact"]
        if digest is None:
            raise BadRequest(f"{name}:{version} runs elsewhere, and was deployed from no artifact.")
        self._management.download(digest, Path(path))

    def stop_models(self, model_names: Sequence[str]) -> None:
        """Stop and unregister all versions of these models.

        Raises NotFound, or BadRequest for a model that is an arm of a policy, or for a version that is still
        in use: by a rollout, a shadow or a pipeline, by a policy that names it, or by clients, who have a
        label for it. Then none is stopped.

        >>> conn.unlink_model_from_app("digits", "bayes")
        >>> conn.stop_models(["bayes"])
        >>> conn.get_all_models()
        ['digits:1', 'digits:2']
        """
        versions = self._versions_of(_several("model_names", model_names))
        for application in self._management.applications():
            arms = () if application["policy"] is None else arms_of(application)
            for arm in arms:
                if (model := model_of(arm)) in model_names:
                    raise BadRequest(
                        f"{model} is an arm of the policy of {application['name']}: give that another policy "
                        "first, with set_policy."
                    )
        self._stop([(v["model_name"], v["model_version"]) for v in versions])

    def stop_versioned_models(self, model_versions_dict: Mapping[str, Sequence[object]]) -> None:
        """Stop and unregister these versions, {model name: [version, ...]}.

        Where the current version is among them, the one before it that has replicas is current; where there
        is none, a warning says so. Raises NotFound; or BadRequest for one that is still in use, as
        `stop_models` has it, or the only one of an arm that could answer. Then none is stopped.

        >>> conn.stop_versioned_models({"digits": [1]})
        >>> conn.get_all_models()
        ['bayes:1', 'digits:2']
        """
        self._stop(
            [
                (name, version)
                for name, versions in model_versions_dict.items()
                for version in _several(f"the versions of {name}", versions)
            ]
        )

    def stop_inactive_model_versions(self, model_names: Sequence[str]) -> None:
        """Stop and unregister all versions of these models but the current ones.

        Those that are still in use, as `stop_models` has it, are left, and a warning says why. Raises
        NotFound.

        >>> conn.stop_inactive_model_versions(["digits"])
        >>> conn.get_all_models()
        ['bayes:1', 'digits:2']
        """
        versions = self._versions_of(_several("model_names", model_names))
        left = []
        for version in versions:
            if not version["is_current_version"]:
                try:
                    self._management.remove_version(version["model_name"], version["model_version"])
                except BadRequest as error:
                    left.append(str(error))
        if left:
            warnings.warn("\n".join(left), stacklevel=2)

    def stop_all_model_containers(self) -> None:
        """Stop and unregister all versions of all models. Raises BadRequest for one that is still in use.

        Then none is stopped.

        >>> conn.stop_all_model_containers()
        >>> conn.get_all_models()
        []
        """
        versions = self._management.models()
        self._stop([(v["model_name"], v["model_version"]) for v in versions])

    def _stop(self, versions: Sequence[tuple[str, object]]) -> None:
        known = self._management.models()
        self._management.remove_versions(_users_first(versions, known))
        answered = {v["model_name"] for v in known if v["is_current_version"]}
        left: dict[str, list[Version]] = {}
        for each in self._management.models():
            left.setdefault(each["model_name"], []).append(each)
        for name in answered & left.keys():
            if not any(v["is_current_version"] for v in left[name]):
                has = ", ".join(v["model_version"] for v in left[name])
                warnings.warn(
                    f"{name} has no current version any more, and answers nobody: set_model_version makes "
                    f"another one current, where it has replicas. Its versions: {has}.",
                    stacklevel=3,
                )


def _users_first(versions: Sequence[tuple[str, object]], known: Sequence[Version]) -> list[tuple[str, str]]:
    """A version that is current comes after those that use its model: it cannot be removed before them."""
    chosen = dict.fromkeys((name, str(version)) for name, version in versions)
    users: dict[tuple[str, str], list[tuple[str, str]]] = {}
    current = {v["model_name"]: v["model_version"] for v in known if v["is_current_version"]}
    for each in known:
        for used in each["uses"]:
            user = each["model_name"], each["model_version"]
            users.setdefault((used, current.get(used, "")), []).append(user)
    found: dict[tuple[str, str], None] = {}

    def add(version: tuple[str, str]) -> None:
        if version in chosen and version not in found:
            for user in users.get(version, ()):
                add(user)
            found[version] = None

    for version in chosen:
        add(version)
    return list(found)


def _several(what: str, values: Sequence[_T]) -> Sequence[_T]:
    if isinstance(values, str):
        raise BadRequest(f"{what} must be a list: [{values!r}], not {values!r}.")
    return values
