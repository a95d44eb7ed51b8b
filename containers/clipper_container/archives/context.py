"""What a handler is told of its model and of the requests, and what it says of its answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .metrics import Metrics


class Context:
    """Of one replica, which answers one batch at a time. A request's headers do not come so far.

    But for the one by which a handler knows that it is to `explain`.
    """

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Mapping[str, Any],
        config: Any,
        gpu_id: int | None,
        *,
        explain: bool = False,
    ) -> None:
        self.model_name = model_name
        self.manifest = manifest
        self.model_yaml_config = config
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": gpu_id,
            "batch_size": 1,
            "server_name": "Clipper Lab",
            "server_version": "",
            "limit_max_image_pixels": True,
        }
        self.metrics = Metrics()
        self.explain = explain
        self.begin(1)

    def begin(self, count: int) -> None:
        """A batch of so many comes."""
        self.system_properties["batch_size"] = count
        self.request_ids = {i: uuid.uuid4().hex for i in range(count)}
        self._statuses: dict[int, tuple[int, str]] = {}
        self._content_types: dict[int, str] = {}

    @property
    def failed(self) -> dict[int, str]:
        """What the handler says of the requests that it could not answer, by their place."""
        return {i: f"{code} {text}".rstrip() for i, (code, text) in self._statuses.items() if code >= 400}

    def get_request_id(self, idx: int = 0) -> str | None:
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self.get_all_request_header(idx).get(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        return {"explain": "True"} if self.explain else {}

    def set_response_content_type(self, idx: int, value: str) -> None:
        self._content_types[idx] = value

    def get_response_content_type(self, idx: int) -> str | None:
        return self._content_types.get(idx)

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """An output has its own media type, and no other header."""

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self._statuses[idx] = code, phrase

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        for i in self.request_ids:
            self.set_response_status(code, phrase, i)
