"""Asks an application of Clipper Lab for predictions, from a program of yours. Copy it: it needs httpx2 only.

It speaks the Open Inference Protocol, whose answers name the version of the model that gave them.

    async with Client("http://127.0.0.1:1337", "digits") as client:
        prediction = await client.predict([0.0] * 64)

Answered is one thing, and by whom another. A default output comes back as a Prediction that says why it is
none of the model's. What is no answer at all is an exception: Refused, if the input was at fault, and else
Unavailable.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

WITHIN_S = 1.0
ON_THE_WAY = 0.1  # the part of the time that is left for the way back
PAUSES_S = (0.02, 0.1, 0.0)  # after each try, at most
MAX_CONNECTIONS = 32
MAX_ANSWER = 1_000_000  # bytes
SAID = 300  # characters of what the service said that go into an error


class Refused(Exception):
    """The input does not fit. It will not fit the next time either."""


class Unavailable(Exception):
    """There was no answer in time. The same question may be asked again later."""


@dataclass(frozen=True)
class Prediction:
    """`version` is the model's that answered, or was to answer; "" where there is none.

    `reason` and `explanation` are empty where the output is the model's own. Else it is the default output.
    With the `token` the right label can be told later; it is empty where nobody collects labels.
    """

    output: Any
    version: str
    query_id: int
    took_ms: float
    reason: str = ""
    explanation: str = ""
    token: str = ""

    @property
    def is_default(self) -> bool:
        return bool(self.reason)


class Client:
    """Asks `application`, at the query address `url`. Use it in one event loop, and close it."""

    def __init__(self, url: str, application: str) -> None:
        self._url = f"{url.rstrip('/')}/v2/models/{application}/infer"
        self._feedback_url = f"{url.rstrip('/')}/{application}/feedback"
        self._name = application
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS)
        self._http = httpx2.AsyncClient(
            limits=limits, timeout=None, trust_env=False
        )  # `predict` has the time

    async def predict(self, input: Sequence[float], *, within_s: float = WITHIN_S) -> Prediction:
        """What the application says to one input, after `within_s` seconds at the latest.

        The service is told of that time, so that it answers with a default output before nobody listens any
        more. A lost connection is tried again while there is time: to ask twice does no harm.

        Raises Refused or Unavailable.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                response = await self._ask(list(input), began + within_s)
        except TimeoutError:
            raise Unavailable(f"{self._name} gave no answer within {within_s:g} s.") from None
        return self._read(response, 1000 * (time.monotonic() - began))

    async def tell(self, token: str, label: Any, *, within_s: float = WITHIN_S) -> bool:
        """Say which label was right, for what learns of it; whether the service has taken it.

        Nothing depends on it, so there is no error. To tell twice counts once.
        """
        try:
            async with asyncio.timeout(within_s):
                said = await self._http.post(
                    self._feedback_url, json={"feedback_token": token, "label": label}
                )
        except (TimeoutError, httpx2.HTTPError):
            return False
        return said.is_success

    async def _ask(self, input: list[float], deadline: float) -> httpx2.Response:
        tensor = {"name": "input", "shape": [1, len(input)], "datatype": "FP64", "data": input}
        for longest_s in PAUSES_S:
            try:
                return await self._post({"inputs": [tensor]}, deadline)
            except httpx2.TransportError as error:
                # Refused before anything was sent, or cut off: a pause of random length, and once more.
                lost = error
                await asyncio.sleep(random.uniform(longest_s / 2, longest_s))
        why = str(lost) or type(lost).__name__
        raise Unavailable(f"The prediction service cannot be reached at the moment ({why}).") from lost

    async def _post(self, body: dict[str, Any], deadline: float) -> httpx2.Response:
        left_s = max(deadline - time.monotonic(), 0.001)
        headers = {"X-Request-Timeout-Seconds": f"{left_s * (1 - ON_THE_WAY):.4f}"}
        async with self._http.stream("POST", self._url, json=body, headers=headers) as response:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_ANSWER:
                    raise Unavailable(f"The answer of {self._name} is longer than {MAX_ANSWER:,} bytes.")
        return httpx2.Response(response.status_code, content=bytes(content))

    def _read(self, response: httpx2.Response, took_ms: float) -> Prediction:
        status = response.status_code
        if status in (400, 413, 422):
            raise Refused(f"{self._name} refuses the input: {response.text[:SAID]}")
        if status != 200:
            raise Unavailable(f"{self._name} answers with HTTP status {status}: {response.text[:SAID]}")
        try:
            said = response.json()
            parameters = said["parameters"]
            reason, explanation = parameters.get("defaults", {}).get("0", ("", ""))
            # A model whose answer is an object has an output for each of its names.
            outputs = {each["name"]: each["data"][0] for each in said["outputs"]}
            output = outputs if len(outputs) > 1 else said["outputs"][0]["data"][0]
            query_id = int(parameters["query_ids"][0])
            (token,) = parameters.get("feedback_token", [""])
            version = said["model_version"]
            return Prediction(output, version, query_id, took_ms, reason, explanation, token or "")
        except (ValueError, TypeError, LookupError, AttributeError):
            raise Unavailable(
                f"{self._name} answers with what is no prediction: {response.text[:SAID]}"
            ) from None

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
