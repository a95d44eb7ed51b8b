"""Applications."""

from __future__ import annotations

from typing import Any, TypedDict

from ..names import check_name
from . import paths
from .calls import Calls
from .feedback import FeedbackOptions


class Application(TypedDict):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    linked_models: list[str]
    on_overload: str  # "default" or "reject"
    policy: dict[str, Any] | None
    feedback: FeedbackOptions | None


class Applications(Calls):
    def applications(self) -> list[Application]:
        applications: list[Application] = self._call("GET", "/applications")
        return applications

    def application(self, name: str) -> Application:
        application: Application = self._call("GET", paths.application(name))
        return application

    def register_application(
        self, name: str, input_type: str, default_output: object, slo_micros: int, on_overload: str
    ) -> None:
        body = {
            "name": check_name("application", name),
            "input_type": input_type,
            "default_output": default_output,
            "latency_slo_micros": slo_micros,
            "on_overload": on_overload,
        }
        self._call("POST", "/applications", body)

    def update_application(self, name: str, fields: dict[str, Any]) -> None:
        self._call("PATCH", paths.application(name), fields)

    def unregister_application(self, name: str) -> None:
        self._call("DELETE", paths.application(name))

    def link(self, app_name: str, model_name: str) -> None:
        self._call("PUT", f"{paths.application(app_name)}/links/{check_name('model', model_name)}")

    def unlink(self, app_name: str, model_name: str) -> None:
        self._call("DELETE", f"{paths.application(app_name)}/links/{check_name('model', model_name)}")
