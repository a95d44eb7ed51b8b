"""Every deployer is called as in Clipper, and a type checker, an editor and help() know all its arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter

from clipper_container import artifact
from clipper_container.errors import BadRequest
from clipperlab import ClipperConnection, deployers
from clipperlab.deployers.arguments import Deployment
from clipperlab.operations import Deployed
from clipperlab.options import DeployOptions
from tests.support import abacus
from tests.support.abacus import create_endpoint, deploy_abacus_model
from tests.support.archives import archived

DEPLOYMENT = "base_image labels registry num_replicas batch_size pkgs_to_install"
ENDPOINT = (
    "default_output version slo_micros labels registry base_image num_replicas batch_size pkgs_to_install"
)
KEYWORDS = {"requirements", "example_input", "size", *DeployOptions.__annotations__}
Call = Callable[..., object]


# What all have


CALLS: list[tuple[Call, str]] = [
    (deployers.python.deploy_python_closure, "func"),
    (deployers.sklearn.deploy_sklearn_model, "sklearn_model func"),
    (deployers.pytorch.deploy_pytorch_model, "func pytorch_model"),
    (deployers.onnx.deploy_onnx_model, "onnx_model func"),
    (deployers.onnx.deploy_pytorch_model, "inputs func pytorch_model onnx_backend"),
    (deployers.custom.deploy_model_class, "model_class init_args files"),
    (deployers.azureml.deploy_scoring_script, "scoring_script model"),
    (deploy_abacus_model, "abacus_model"),
]
ENDPOINTS: list[tuple[Call, str]] = [
    (deployers.python.create_endpoint, "func"),
    (deployers.sklearn.create_endpoint, "sklearn_model func"),
    (deployers.pytorch.create_endpoint, "func pytorch_model"),
    (deployers.onnx.create_endpoint, "onnx_model func"),
    (deployers.onnx.create_pytorch_endpoint, "inputs func pytorch_model"),
    (deployers.custom.create_endpoint, "model_class init_args files"),
    (deployers.azureml.create_endpoint, "scoring_script model"),
    (create_endpoint, "abacus_model"),
]
ALL = [call for call, _ in CALLS + ENDPOINTS]


def _name(call: object) -> str:
    return f"{call.__module__}.{call.__name__}" if inspect.isfunction(call) else ""


@pytest.mark.parametrize(("call", "own"), CALLS, ids=_name)
def test_a_deployer_has_clippers_names_in_clippers_order(call: Call, own: str) -> None:
    names, keywords = _arguments(call)
    assert names == f"clipper_conn name version input_type {own} {DEPLOYMENT}".split()
    assert keywords == KEYWORDS


@pytest.mark.parametrize(("call", "own"), ENDPOINTS, ids=_name)
def test_an_endpoint_has_clippers_names_in_clippers_order(call: Call, own: str) -> None:
    names, keywords = _arguments(call)
    assert names == f"clipper_conn name input_type {own} {ENDPOINT}".split()
    assert keywords == KEYWORDS | {"slo_ms"}


def _arguments(call: Call) -> tuple[list[str], set[str]]:
    parameters = inspect.signature(call).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD], {
        p.name for p in parameters if p.kind is p.KEYWORD_ONLY
    }


def test_defaults_are_clippers() -> None:
    defaults = {p.name: p.default for p in inspect.signature(create_endpoint).parameters.values()}
    assert defaults["default_output"] == "None"
    assert (defaults["version"], defaults["slo_micros"]) == (1, 3_000_000)
    assert (defaults["base_image"], defaults["num_replicas"], defaults["batch_size"]) == ("default", 1, -1)


@pytest.mark.parametrize("call", ALL, ids=_name)
def test_help_tells_of_every_argument_and_of_the_framework(call: Call) -> None:
    documentation = inspect.getdoc(call) or ""
    told = re.findall(r"^(\w+)\n    \S", documentation, re.MULTILINE)
    assert told == list(inspect.signature(call).parameters)
    assert documentation.partition("\n")[0].endswith(".")
    assert call.__name__ in dir(inspect.getmodule(call))


def test_the_options_are_those_of_deploy_model() -> None:
    typed = {each.name: each.type for each in fields(Deployment)}
    for name, kind in DeployOptions.__annotations__.items():
        assert typed[name] == f"{kind.__forward_arg__} | None"


@pytest.mark.parametrize("call", ALL, ids=_name)
def test_a_notebook_completes_the_arguments(call: Call) -> None:
    complete: Any = IPCompleter
    with provisionalcompleter():
        for jedi in (True, False):
            completer = complete(namespace={"call": call}, use_jedi=jedi)
            line = "call(conn, num_rep"
            assert "num_replicas=" in {found.text for found in completer.completions(line, len(line))}


def test_a_wrong_call_names_the_function() -> None:
    wrong: Call = deploy_abacus_model
    with pytest.raises(TypeError, match=r"deploy_abacus_model\(\): .* 'version'"):
        wrong(ClipperConnection(), "abacus")
    with pytest.raises(TypeError, match=r"deploy_abacus_model\(\): .* 'bathing'"):
        wrong(ClipperConnection(), "abacus", 1, "integers", [10], bathing="off")


def _types(conn: ClipperConnection) -> None:
    """Never called: mypy, which takes no needless `ignore`, sees that each wrong argument is found."""
    deploy_abacus_model(conn, "abacus", 1, "integers", [10], "default", ["new"], None, 2, -1, ["beads"])
    deploy_abacus_model(clipper_conn=conn, name="abacus", version=1, input_type="d", abacus_model=[10])
    deploy_abacus_model(conn, "abacus", 1, "integers", "ten")  # type: ignore[arg-type]
    deploy_abacus_model(conn, "abacus", 1, "integers", [10], num_replicas="2")  # type: ignore[arg-type]
    deploy_abacus_model(conn, "abacus", 1, "integers", [10], batching=3)  # type: ignore[arg-type]
    deploy_abacus_model(conn, "abacus", 1, "integers", [10], bathing="off")  # type: ignore[call-arg]
    deploy_abacus_model(conn, "abacus", 1, "integers")  # type: ignore[call-arg]
    create_endpoint(conn, "abacus", "integers", [10], 0, 1, 100_000, slo_micros=1)  # type: ignore[misc]


# What a framework adds


class _Recorder(ClipperConnection):
    """Keeps what is asked of the cluster."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def register_application(self, *args: Any, **_: Any) -> None:
        self.asked.append(("register", *args))

    def unregister_application(self, name: str) -> None:
        self.asked.append(("unregister", name))

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        self.asked.append(("link", app_name, model_name))

    def deploy_model(self, *args: Any, **options: Any) -> Deployed:
        path = options.pop("artifact")
        manifest, parts = artifact.read(path, artifact.digest(path))
        if manifest.requirements:
            options["requirements"] = manifest.requirements
        self.asked.append(("deploy", *args, options, manifest.loader, parts))
        return Deployed(args[0], str(args[1]), True, "current")


def test_a_framework_is_a_small_module() -> None:
    assert len(Path(abacus.__file__).read_text().splitlines()) < 60
    conn = _Recorder()
    model = deploy_abacus_model(conn, "counted", 2, "integers", [10, 7], labels=["new"], make_current=False)
    assert (model.name, str(model.deployed)) == ("counted", "counted:2 is ready, and current.")
    version = ("counted", 2, "integers", None, ["new"], 1, -1)
    assert conn.asked == [("deploy", *version, {"make_current": False}, "abacus", {"beads": b"\n\x07"})]


def test_an_archives_requirements_are_the_models(tmp_path: Path) -> None:
    files = {"h.py": "def handle(data, context): ...", "requirements.txt": "six==1.0\nhumanize\n"}
    path = archived(tmp_path, "h.py", files)
    conn = _Recorder()
    deployers.mar.deploy_archive(conn, "m", 1, path, requirements=["six==1.17.0"], num_replicas=2)
    ((_, name, version, input_type, _, _, replicas, _, options, loader, parts),) = conn.asked
    assert (name, version, input_type, replicas, loader) == ("m", 1, "json", 2, "mar")
    assert options == {"requirements": ["six==1.17.0", "humanize"]}
    assert parts.keys() == {"mar/MAR-INF/MANIFEST.json", "mar/h.py", "mar/requirements.txt"}
    conn = _Recorder()
    deployers.mar.create_endpoint(conn, "m", path, input_type="bytes", slo_ms=20)
    assert [asked[0] for asked in conn.asked] == ["register", "deploy", "link"]
    assert conn.asked[0][2:] == ("bytes", "None", 20_000)


def test_an_endpoint_is_whole_or_is_not() -> None:
    conn = _Recorder()
    endpoint = create_endpoint(
        *(conn, "counted", "integers", [10], 0, 3, 100_000), num_replicas=2, base_image="our/image"
    )
    assert endpoint.name == "counted"
    assert [asked[:5] for asked in conn.asked] == [
        ("register", "counted", "integers", 0, 100_000),
        ("deploy", "counted", 3, "integers", "our/image"),
        ("link", "counted", "counted"),
    ]
    conn = _Recorder()
    create_endpoint(conn, "counted", "integers", [10], slo_ms=20)
    assert conn.asked[0] == ("register", "counted", "integers", "None", 20_000)
    conn = _Recorder()
    wrong: Any = "ten"
    with pytest.raises(BadRequest, match="must be a list"):
        create_endpoint(conn, "counted", "integers", wrong)
    assert [asked[:2] for asked in conn.asked] == [("register", "counted"), ("unregister", "counted")]
