from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipper_container import wire
from clipper_container.errors import WireError


def test_a_frame_says_how_long_its_parts_are() -> None:
    buffers = wire.frame(wire.Batch(7, 2, ["<f8"], [(3,)], [1]), [b"x" * 24, b"y" * 24])
    stream = b"".join(buffers)
    header, body = wire.lengths(stream[: wire.PREFIX.size])
    assert body == 48
    message = wire.to_container(stream[wire.PREFIX.size :][:header])
    assert message == wire.Batch(7, 2, ["<f8"], [(3,)], [1])


def test_a_batch_names_each_dtype_once() -> None:
    assert wire.Batch(1, 3, ["<f8"], [()], []).each() == ["<f8"]
    assert wire.Batch(1, 3, ["<f8", "json"], [()], [], [0, 1, 0]).each() == ["<f8", "json", "<f8"]
    for kinds in ([0, 2, 0], [-1, 0, 0]):
        with pytest.raises(ValueError, match="a dtype that the batch has not"):
            wire.Batch(1, 3, ["<f8", "json"], [()], [], kinds).each()


def test_a_hello_of_another_version_can_still_be_read() -> None:
    longer = b"\x97\xa5hello\x09\xa1t\xa1m\xa11\xa10\x01"
    hello = wire.to_frontend(longer)
    assert isinstance(hello, wire.Hello)
    assert hello.wire == 9


@given(st.binary(min_size=8, max_size=8))
def test_a_prefix_is_within_the_limits_or_refused(prefix: bytes) -> None:
    try:
        header, body = wire.lengths(prefix)
    except WireError:
        return
    assert 0 < header <= wire.MAX_HEADER
    assert body <= wire.MAX_BODY


@given(st.binary())
@example(b"\xa1\x80")  # a text that is none
def test_garbage_in_a_header_is_nothing_but_a_wire_error(garbage: bytes) -> None:
    for decode in (wire.to_frontend, wire.to_container):
        with contextlib.suppress(WireError):
            decode(garbage)


def test_the_two_directions_are_kept_apart() -> None:
    ready = wire.Ready([(1.0, 0.01)])
    header = wire.frame(ready)[0][wire.PREFIX.size :]
    assert wire.to_frontend(header) == ready
    with pytest.raises(WireError):
        wire.to_container(header)


@pytest.mark.parametrize(
    "message",
    [
        wire.Credit(2),
        wire.Recall(),
        wire.Draining(),
        wire.Reply(1, 0.1, 0, [4, 0, 8], [("<f8", (), [2])], {1: wire.Fault("model_error", "no")}, None),
    ],
)
def test_what_a_container_says_is_what_a_frontend_hears(message: object) -> None:
    assert wire.to_frontend(wire.frame(message)[0][wire.PREFIX.size :]) == message


@pytest.mark.parametrize("message", [wire.Backlog(), wire.Yield(1), wire.Released(), wire.Refused("why")])
def test_what_a_frontend_says_is_what_a_container_hears(message: object) -> None:
    assert wire.to_container(wire.frame(message)[0][wire.PREFIX.size :]) == message
