"""The web application: a page, predictions for it, and what its users correct."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from .client import Client, Refused, Unavailable
from .corrections import Correction, Corrections

PAGE = Path(__file__).with_name("page")
MAX_BODY = 10_000  # bytes

Pixel = Annotated[float, Field(ge=0, le=16)]
Pixels = Annotated[list[Pixel], Field(min_length=64, max_length=64)]
Digit = Annotated[int, Field(ge=0, le=9)]


class Drawing(BaseModel):
    """8 x 8 pixels, row by row, from 0 (nothing) to 16 (ink)."""

    pixels: Pixels


class Corrected(Drawing):
    """`predicted` is None where no model had answered. `token` is that of the answer, if it had one."""

    digit: Digit
    predicted: Digit | None = None
    version: Annotated[str, Field(max_length=100)] = ""
    token: Annotated[str, Field(max_length=1024)] = ""


class Answer(BaseModel):
    """`digit` is None where no model answered; `reason` and `explanation` then say why."""

    digit: int | None
    default_output: Any = None
    reason: str
    explanation: str
    version: str
    query_id: int
    token: str
    took_ms: float


class OfVersion(BaseModel):
    """In `said` of its answers users told what is in truth drawn, and `right` of those it had said so."""

    version: str
    said: int
    right: int


def make_app(query_url: str, application: str, folder: Path) -> FastAPI:
    """An application that asks `application` at `query_url`, and keeps corrections in `folder`."""
    corrections = Corrections(folder)
    client = Client(query_url, application)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)  # those two load scripts from elsewhere

    @app.middleware("http")
    async def bound(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.method in ("POST", "PUT"):
            length = request.headers.get("content-length", "")
            if not length.isdigit():
                return _sentence(411, "Say how long the body is, with the header Content-Length.")
            if int(length) > MAX_BODY:
                return _sentence(413, f"A body may have {MAX_BODY:,} bytes.")
        return await go_on(request)

    @app.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Exception) -> Response:
        return _sentence(503, str(error))

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Exception) -> Response:
        return _sentence(422, str(error))

    @app.exception_handler(sqlite3.Error)
    async def unstored(_request: Request, error: Exception) -> Response:
        return _sentence(503, f"Corrections cannot be kept at the moment: {error}.")

    @app.post("/predict")
    async def predict(drawing: Drawing) -> Answer:
        said = await client.predict(drawing.pixels)
        return Answer(
            digit=None if said.is_default else _digit(said.output),
            default_output=said.output if said.is_default else None,
            reason=said.reason,
            explanation=said.explanation,
            version=said.version,
            query_id=said.query_id,
            token=said.token,
            took_ms=said.took_ms,
        )

    # Not `async`: SQLite waits for the disk, so these run in threads. What learns is told afterwards.
    @app.put("/corrections/{id}")
    def correct(
        id: Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")],
        corrected: Corrected,
        later: BackgroundTasks,
    ) -> dict[str, int]:
        more = corrected.model_dump(exclude={"token"})
        count = corrections.put(Correction(id=id, **more))
        if corrected.token:
            later.add_task(client.tell, corrected.token, corrected.digit)
        return {"corrections": count}

    @app.get("/corrections")
    def training_data() -> dict[str, list[Any]]:
        """What scikit-learn's `fit` takes: pictures, and beside each its digit."""
        found = corrections.all()
        return {"pictures": [c.pixels for c in found], "digits": [c.digit for c in found]}

    @app.get("/versions")
    def versions() -> list[OfVersion]:
        """What users said of each version's answers, as far as they are kept."""
        return [OfVersion(version=v, said=said, right=right) for v, said, right in corrections.by_version()]

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _digit(output: Any) -> int:
    with suppress(TypeError, ValueError):
        if 0 <= int(output) <= 9:
            return int(output)
    raise Unavailable(f"The model says {str(output)[:100]!r}, and that is no digit.")


def _sentence(status: int, sentence: str) -> Response:
    return JSONResponse({"detail": sentence}, status)
