from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.query.cache import Cache, Key
from clipper_server.query.task import Outcome, Task
from tests.support.fakes import new_queue
from tests.support.virtual_time import run

VERSION = ("m", "1", 1)


def key_of(cache: Cache, data: bytes, version: tuple[str, str, int] = VERSION, dtype: str = "str") -> Key:
    key = cache.key(version, Tensor(data, (len(data),), dtype), False, 1000)
    assert key is not None
    return key


def keep(cache: Cache, key: Key, outcome: Outcome) -> None:
    async def main() -> None:
        task = Task(new_queue(), Tensor(b"", (0,), "str"), False, 0, 1, key)
        cache.expect(key, task)
        assert cache.pending(key) is task
        cache.settle(task, outcome)
        assert cache.pending(key) is None

    run(main())


def test_an_output_is_found_again_and_a_fault_is_not_kept() -> None:
    cache = Cache(1 << 20)
    keep(cache, key_of(cache, b"a"), b"1")
    keep(cache, key_of(cache, b"b"), Fault("model_error", "no"))
    assert cache.output(key_of(cache, b"a")) == b"1"
    assert cache.output(key_of(cache, b"b")) is None


def test_equal_bytes_of_another_type_or_version_are_another_input() -> None:
    cache = Cache(1 << 20)
    keep(cache, key_of(cache, b"12345678"), b"1")
    assert cache.output(key_of(cache, b"12345678", dtype="<f8")) is None
    assert cache.output(key_of(cache, b"12345678", version=("m", "2", 2))) is None


def test_equal_hashes_are_not_equal_inputs() -> None:
    """Keys that all have one hash are still told apart."""

    class Colliding(Key):
        def __hash__(self) -> int:
            return 1

    cache = Cache(1 << 20)
    keep(cache, Colliding(*key_of(cache, b"a")), b"1")
    assert cache.output(Colliding(*key_of(cache, b"b"))) is None
    assert cache.output(Colliding(*key_of(cache, b"a"))) == b"1"


def test_without_a_size_there_is_no_cache_and_large_inputs_are_not_for_it() -> None:
    tensor = Tensor(b"abc", (3,), "str")
    assert Cache(0).key(VERSION, tensor, False, 1000) is None
    assert Cache(1000).key(VERSION, tensor, False, 2) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = Cache(1000)
    for name in (b"a", b"b", b"c"):
        keep(cache, key_of(cache, name), b"1")
    cache.output(key_of(cache, b"a"))
    keep(cache, key_of(cache, b"d"), b"1")
    kept = [name for name in (b"a", b"b", b"c", b"d") if cache.output(key_of(cache, name))]
    assert kept == [b"a", b"c", b"d"]
    assert cache.evictions == 1


def test_a_version_that_goes_takes_its_outputs_with_it() -> None:
    cache = Cache(1 << 20)
    other = ("m", "2", 2)
    keep(cache, key_of(cache, b"a"), b"1")
    keep(cache, key_of(cache, b"a", other), b"2")
    cache.drop(VERSION)
    assert cache.output(key_of(cache, b"a")) is None
    assert cache.output(key_of(cache, b"a", other)) == b"2"


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=400)), max_size=60), st.integers(1, 5000)
)
def test_its_size_holds_whatever_comes(kept: list[tuple[bytes, bytes]], size: int) -> None:
    cache = Cache(size)
    for data, output in kept:
        keep(cache, key_of(cache, data), output)
        assert 0 <= cache.used <= size
        found = cache.output(key_of(cache, data))
        assert found in (None, output)
    cache.resize(0)
    assert (cache.used, len(cache)) == (0, 0)
