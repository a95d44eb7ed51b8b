"""The models behind handlers of FastAPI, one call a request."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from .models import MODELS

app = FastAPI()
sums, single, forest, device = (load() for load in MODELS.values())


class Row(BaseModel):
    input: list[float]


@app.post("/sums")
async def add(row: Row) -> dict[str, float]:
    return {"output": sums([row.input])[0]}


@app.post("/single")
async def add_one(row: Row) -> dict[str, float]:
    return {"output": single([row.input])[0]}


# What takes its time is no coroutine: FastAPI calls it in a thread.


@app.post("/forest")
def classify(row: Row) -> dict[str, float]:
    return {"output": forest([row.input])[0]}


@app.post("/device")
def take_turn(row: Row) -> dict[str, float]:
    return {"output": device([row.input])[0]}
