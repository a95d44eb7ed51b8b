"""What a deployer says of a function or a model that cannot be packaged."""

from __future__ import annotations

import pickle as stdlib_pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from clipper_container import artifact
from clipper_container.errors import ArtifactError, BadRequest
from clipperlab import ClipperConnection, UnconnectedException
from clipperlab.deployers import local_modules
from clipperlab.deployers.packaging import pickle
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.sklearn import deploy_sklearn_model
from clipperlab.deployers.trial import BAD_FUNCTION, try_function
from clipperlab.operations import Deployed


def _notebook(source: str, name: str) -> Any:
    """What `name` is after running `source` as a notebook would: in __main__, so that it pickles by value."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace[name]


def _message(value: object) -> str:
    with pytest.raises(ArtifactError) as caught:
        pickle("The function 'predict'", value)
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) in str(caught.value)
    return str(caught.value)


def test_a_closure_travels_with_what_it_uses() -> None:
    predict = _notebook("scale = 3\ndef predict(xs): return [scale * x for x in xs]", "predict")
    assert stdlib_pickle.loads(pickle("The function", predict))([1, 2]) == [3, 6]


def test_names_a_global_variable() -> None:
    source = "import threading\nlock = threading.Lock()\ndef predict(xs):\n    with lock: return xs"
    message = _message(_notebook(source, "predict"))
    assert message.startswith(
        "The function 'predict' cannot be packaged: global variable 'lock' (a _thread.lock)"
    )
    assert "inside the function" in message


def test_names_a_closure_variable() -> None:
    lock = threading.Lock()

    def predict(xs: list[Any]) -> list[Any]:
        with lock:
            return xs

    assert "closure variable 'lock' (a _thread.lock)" in _message(predict)


def test_leaves_a_closure_variable_without_a_value_alone() -> None:
    lock = threading.Lock()

    def predict(xs: list[Any]) -> list[Any]:
        return xs if lock else later

    try:
        _message(predict)
    finally:
        later: list[Any] = []


@pytest.mark.parametrize(
    ("source", "culprit"),
    [
        (
            "def helper(xs):\n    with lock: return xs\ndef predict(xs): return helper(xs)",
            "global variable 'lock'",
        ),
        ("def predict(xs): return [(lambda x: lock)(x) for x in xs]", "global variable 'lock'"),
        ("def predict(xs, guard=lock): return xs", "the default of argument 'guard'"),
        ("def predict(xs, *, guard=lock): return xs", "the default of argument 'guard'"),
        (
            "class Net:\n    def __init__(self): self.session = lock\n    def __call__(self, xs): return xs\n"
            "net = Net()\ndef predict(xs): return net(xs)",
            "attribute 'session' of a __main__.Net",
        ),
        (
            "class Net:\n    def __init__(self): self.session = lock\n    def answer(self, xs): return xs\n"
            "predict = Net().answer",
            "attribute 'session' of a __main__.Net",
        ),
        (
            "class Net:\n    def answer(self, xs): return lock\n"
            "net = Net()\ndef predict(xs): return net.answer(xs)",
            "global variable 'lock'",
        ),
        ("locks = [lock]\ndef predict(xs): return locks", "global variable 'locks' (a list)"),
    ],
)
def test_looks_into_what_the_function_uses(source: str, culprit: str) -> None:
    predict = _notebook(f"import threading\nlock = threading.Lock()\n{source}", "predict")
    assert culprit in _message(predict)


def test_an_object_that_refuses_as_a_whole_is_quoted() -> None:
    assert "cannot pickle" in _message(threading.Lock())


def test_survives_functions_that_use_each_other() -> None:
    source = (
        "import threading\nlock = threading.Lock()\n"
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return lock and even(n - 1)"
    )
    assert "global variable 'lock'" in _message(_notebook(source, "even"))


def test_nothing_is_deployed_without_a_cluster() -> None:
    with pytest.raises(UnconnectedException, match="connect"):
        deploy_python_closure(ClipperConnection(), "m", 1, "doubles", lambda xs: xs)


class _Recorder(ClipperConnection):
    """Keeps what would be deployed."""

    def deploy_model(self, *args: Any, **kwargs: Any) -> Deployed:
        path = kwargs.pop("artifact")
        self.arguments, self.options = args, kwargs
        self.digest = artifact.digest(path)
        self.manifest, self.parts = artifact.read(path, self.digest)
        return Deployed(args[0], str(args[1]), True, "current")


class Estimator:
    def predict(self, inputs: Any) -> Any:
        return inputs


def _answer(model: Estimator, inputs: Any) -> Any:
    return model.predict(inputs)


def test_a_function_is_packed_for_the_python_loader() -> None:
    conn = _Recorder()
    deploy_python_closure(
        conn, "m", 1, "d", _double, labels=["a"], num_replicas=2, batch_size=8, example_input=[1.0]
    )
    assert conn.arguments == ("m", 1, "d", None, ["a"], 2, 8)
    assert (conn.manifest.loader, conn.manifest.input_type) == ("python", "doubles")
    assert conn.manifest.example_input == [1.0]
    assert set(conn.parts) == {"function.pickle"}
    assert (conn.manifest.size, conn.options) == (None, {})


def test_a_label_is_refused_before_anything_is_packed() -> None:
    conn = _Recorder()
    with pytest.raises(BadRequest, match="label name 'a:b' cannot be used"):
        deploy_python_closure(conn, "m", 1, "d", _double, labels=["a:b"])
    assert not hasattr(conn, "manifest")


@pytest.mark.parametrize(
    ("func", "parts"), [(None, {"model.pickle"}), (_answer, {"model.pickle", "function.pickle"})]
)
def test_an_estimator_is_packed_for_the_sklearn_loader(
    func: Callable[..., Any] | None, parts: set[str]
) -> None:
    conn = _Recorder()
    deploy_sklearn_model(conn, "m", "v1", "doubles", Estimator(), func)
    assert conn.manifest.loader == "sklearn"
    assert set(conn.parts) == parts


@pytest.mark.parametrize(
    ("deploy", "model"), [(deploy_python_closure, len), (deploy_sklearn_model, Estimator())]
)
def test_the_size_is_packed_and_the_options_are_passed_on(deploy: Callable[..., None], model: object) -> None:
    conn = _Recorder()
    deploy(conn, "m", 1, "doubles", model, size="len(x)", batching="aimd", hang_after_s=2.0)
    assert conn.manifest.size == "len(x)"
    assert conn.options == {"batching": "aimd", "hang_after_s": 2.0}


@pytest.mark.parametrize(
    ("deploy", "says"),
    [
        (partial(deploy_python_closure, func=3), "func must be a function"),  # type: ignore[arg-type]
        (partial(deploy_sklearn_model, sklearn_model=3), "of type int, has no predict"),
        (partial(deploy_sklearn_model, sklearn_model=Estimator(), func=3), "func must be"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_model_is_refused(deploy: Callable[..., None], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        deploy(_Recorder(), "m", 1, "doubles")


async def _later(inputs: Any) -> Any:
    return inputs


def _one_by_one(inputs: Any) -> Any:
    yield from inputs


class _Later:
    async def __call__(self, inputs: Any) -> Any:
        return inputs


ONE, TWO = "with a list of inputs alone", r"with \(model, inputs\) alone"


@pytest.mark.parametrize(
    ("func", "says"),
    [
        (_one_by_one, "is a generator"),
        (Estimator, "deploy_model_class"),
        *[(func, ONE) for func in (lambda model, inputs: inputs, lambda: 1)],
    ],
)
def test_what_cannot_answer_is_refused_before_anything_is_deployed(func: Any, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        deploy_python_closure(_Recorder(), "m", 1, "doubles", func)
    with pytest.raises(BadRequest, match=says.replace(ONE, TWO)):
        deploy_sklearn_model(
            _Recorder(),
            "m",
            1,
            "doubles",
            Estimator(),
            func if says != ONE else lambda inputs: inputs,  # type: ignore[misc, arg-type]
        )
    assert try_function({"input": [1.0]}, func, "doubles") == BAD_FUNCTION


@pytest.mark.parametrize("func", [_later, _Later(), partial(_later)])
def test_a_function_that_waits_is_a_model_by_itself_and_no_part_of_one(func: Any) -> None:
    recorder = _Recorder()
    deploy_python_closure(recorder, "m", 1, "doubles", func)
    assert recorder.manifest.loader == "python"
    assert try_function({"input": [1.0]}, func, "doubles") == [[1.0]]
    with pytest.raises(BadRequest, match="async function"):
        deploy_sklearn_model(recorder, "m", 1, "doubles", Estimator(), func)


def test_what_may_answer_is_not_refused() -> None:
    def many(inputs: Any, *, scale: float = 2.0, **_: Any) -> Any:
        return inputs

    for func in (len, many, partial(many, scale=3.0), lambda *inputs: inputs, Estimator().predict):
        deploy_python_closure(_Recorder(), "m", 1, "doubles", func)


def test_an_estimator_that_is_not_fitted_is_refused() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    for model in (linear_model.LinearRegression(), pipeline.make_pipeline(scaler, linear_model.Ridge())):
        with pytest.raises(BadRequest, match=r"is not fitted, and would answer nothing\. Call its fit"):
            deploy_sklearn_model(_Recorder(), "m", 1, "doubles", model)
        deploy_sklearn_model(_Recorder(), "m", 1, "doubles", model, lambda model, inputs: inputs)
        deploy_sklearn_model(_Recorder(), "m", 1, "doubles", model.fit([[1.0], [2.0]], [1.0, 2.0]))


def _double(xs: list[Any]) -> list[Any]:
    return [2 * x for x in xs]


def test_the_same_cell_run_again_makes_the_same_artifact() -> None:
    source = "FACTOR = 2\ndef f(inputs): return [len({'a', 'b', 'c'}) + FACTOR for x in inputs]"
    conn = _Recorder()
    digests = set()
    for _ in range(2):
        deploy_python_closure(conn, "m", 1, "doubles", _notebook(source, "f"), example_input=[1.0])
        digests.add(conn.digest)
    assert len(digests) == 1


def test_threads_that_pickle_at_once_do_not_take_modules_from_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("beside_the_notebook")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(local_modules, "local_modules", lambda: [module])

    def pickle_often(_: int) -> list[bool]:
        found = []
        for _ in range(500):
            with local_modules.by_value():
                found.append(module.__name__ in cloudpickle.list_registry_pickle_by_value())
        return found

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = [each for some in threads.map(pickle_often, range(4)) for each in some]
    finally:
        sys.setswitchinterval(before)
    assert all(found)
    assert module.__name__ not in cloudpickle.list_registry_pickle_by_value()
