"""Applications: made, changed, linked to models, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from clipper_container.errors import NotFound

from ..objectives import objective
from .attached import Attached

if TYPE_CHECKING:
    from ..management import Application


class Applications(Attached):
    """Operations on applications."""

    def register_application(
        self,
        name: str,
        input_type: str,
        default_output: object,
        slo_micros: int | None = None,
        *,
        slo_ms: float | None = None,
        on_overload: Literal["default", "reject"] = "default",
    ) -> None:
        """Make the endpoint /{name}/predict. It answers `default_output` until a model is linked.

        The latency objective is given in microseconds or, as `slo_ms`, in milliseconds; below one there is a
        warning. A query that is not answered in time gets the default output. One that cannot be, with all
        the work that is ahead of it, gets the default output at once, or HTTP 429 with a Retry-After header
        where `on_overload` is "reject". Raises AlreadyExists, or BadRequest.

        >>> conn.register_application("letters", "doubles", default_output="?", slo_ms=50)
        >>> conn.application("letters").predict([1.0, 2.0])["output"]
        '?'
        """
        management = self._management
        micros = objective(slo_micros, slo_ms)
        management.register_application(name, input_type, default_output, micros, on_overload)

    def set_latency_objective(
        self, name: str, slo_micros: int | None = None, *, slo_ms: float | None = None
    ) -> None:
        """Give the application another latency objective, in microseconds or in milliseconds.

        Raises NotFound or BadRequest.

        >>> conn.set_latency_objective("digits", slo_ms=50)
        >>> conn.get_app_info("digits")["latency_slo_micros"]
        50000
        """
        management = self._management
        management.update_application(name, {"latency_slo_micros": objective(slo_micros, slo_ms)})

    def set_default_output(self, name: str, default_output: object) -> None:
        """Give the application another default output. Raises NotFound or BadRequest.

        >>> conn.set_default_output("digits", {"digit": None})
        >>> conn.get_app_info("digits")["default_output"]
        {'digit': None}
        """
        self._management.update_application(name, {"default_output": default_output})

    def unregister_application(self, name: str) -> None:
        """Remove the endpoint. Raises NotFound.

        >>> conn.unregister_application("digits")
        >>> conn.get_all_apps()
        []
        """
        self._management.unregister_application(name)

    def delete_application(self, name: str) -> None:
        """Clipper's older name of `unregister_application`. Raises NotFound.

        >>> conn.delete_application("digits")
        >>> conn.get_app_info("digits") is None
        True
        """
        self.unregister_application(name)

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        """Have the application answered by the model's current version. Their input types must agree.

        Raises NotFound, AlreadyExists (linked already) or BadRequest.

        >>> conn.register_application("letters", "doubles", default_output="?", slo_ms=50)
        >>> conn.link_model_to_app("letters", "bayes")
        >>> conn.get_linked_models("letters")
        ['bayes']
        """
        self._management.link(app_name, model_name)

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """Undo `link_model_to_app`. Raises NotFound; or BadRequest where the policy has it as an arm.

        >>> conn.unlink_model_from_app("digits", "bayes")
        >>> conn.get_linked_models("digits")
        ['digits']
        """
        self._management.unlink(app_name, model_name)

    def get_linked_models(self, app_name: str) -> list[str]:
        """The names of the models linked to the application. Raises NotFound.

        >>> conn.get_linked_models("digits")
        ['digits', 'bayes']
        """
        return self._management.application(app_name)["linked_models"]

    @overload
    def get_all_apps(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_apps(self, verbose: Literal[True]) -> list[Application]: ...
    def get_all_apps(self, verbose: bool = False) -> list[str] | list[Application]:
        """The names of all applications; `verbose` gives what `get_app_info` does.

        >>> conn.get_all_apps()
        ['digits']
        """
        applications = self._management.applications()
        return applications if verbose else [a["name"] for a in applications]

    def get_app_info(self, name: str) -> Application | None:
        """All about one application; None where there is none of that name.

        >>> conn.get_app_info("digits")["input_type"]
        'doubles'
        """
        try:
            return self._management.application(name)
        except NotFound:
            return None

    def _url(self, name: str) -> str:
        """Where the application is asked."""
        return f"http://{self._record.query}/{name}/predict"
