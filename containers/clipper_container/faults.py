"""What went wrong with a model, in words: short, of characters that UTF-8 has, and told without fail.

What a model raises is the model's own code: its text may be of any size and hold what no encoding has, and
asking for it may raise in turn.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from .errors import CallFailed
from .log import say
from .wire import Fault

MOST = 2000  # characters of a text that travels in an answer
MOST_IN_ALL = 1 << 19  # ... of those of one batch
MOST_WORDS = 4000  # ... of a traceback, as somebody sees it who deploys
_LINE = 1000  # ... and of each of its parts
_LEAST = 20
_OURS = f"{Path(__file__).parent}{os.sep}"


def safe(text: str, most: int = MOST) -> str:
    """`text`, without its middle where it is longer than `most`, and with half characters escaped."""
    cut = _cut("".join([text]), most)  # of a class of its own it could still do anything
    return _cut(cut.encode("utf-8", "backslashreplace").decode(), most)


def told(error: BaseException, most: int = MOST) -> str:
    """What it is and says: "ValueError: no such picture"."""
    name = safe(str(type.__dict__["__name__"].__get__(type(error))), _LINE)
    try:
        text = safe(str(error), most)
    except BaseException as another:  # whatever its __str__ does
        return f"{name}, which cannot say more: its text raises {type(another).__name__}"
    return f"{name}: {text}" if text else name


def model_error(error: BaseException, most: int = MOST) -> Fault:
    return Fault("model_error", safe(f"The model raised {told(error, most)}", most))


def call_failed(error: Exception) -> Fault:
    """Of a pipeline: what it raised, and at which of its own lines."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(_OURS):
            where = f", in line {frame.lineno} ({safe(frame.name, _LINE)})"
    if isinstance(error, CallFailed):
        return Fault("call_failed", safe(f"{told(error)[len('CallFailed: ') :].rstrip('.')}{where}."))
    return Fault("model_error", safe(f"The pipeline raised {told(error)}{where}."))


def bad_output(text: str, most: int = MOST) -> Fault:
    return Fault("bad_output", safe(text, most))


def share(count: int) -> int:
    """How many characters a text may have where each of `count` inputs may have one."""
    return max(_LEAST, min(MOST, MOST_IN_ALL // max(1, count)))


def show(error: BaseException) -> None:
    """Put the traceback into the log. Never raises."""
    say(words_of(error, 4 * MOST_WORDS))


def words_of(error: BaseException, most: int = MOST_WORDS) -> str:
    """The traceback, which begins with the model's own frames: this package's, at its top, are left out."""
    try:
        frames = traceback.TracebackException.from_exception(error)
        while frames.stack and frames.stack[0].filename.startswith(_OURS):
            frames.stack.pop(0)
        return safe("".join(safe(part, _LINE) for part in frames.format()).strip(), most)
    except BaseException:  # a class of its own may do anything here too
        return told(error)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    begin = most // 3
    return f"{text[:begin]} ... {text[begin + 5 - most :]}"
