"""What the `clipperlab` script can do. Errors leave as exceptions; `cli` turns them into sentences."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.inputs import canonical

from .connection import ClipperConnection
from .deployers.python import deploy_python_closure
from .kubernetes_manager import KubernetesContainerManager
from .management import Event, Management
from .managers import ContainerManager, DockerContainerManager, ProcessContainerManager
from .source_file import function_in
from .summary import summarise, versions_of

app = typer.Typer(
    help="Clipper Lab: model serving where models are made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FOLLOW_S = 20.0  # a long poll of `events -f`
LOOK_S = 0.5  # between two looks of `logs -f`

ClusterName = Annotated[str, typer.Option(help="Which cluster.", envvar="CLIPPERLAB_CLUSTER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")]
DEFAULT = "default-cluster"


On = Annotated[
    Literal["process", "docker", "kubernetes"],
    typer.Option("--on", help="What the cluster runs on.", envvar="CLIPPERLAB_ON"),
]
_MANAGERS: dict[str, Callable[[str], ContainerManager]] = {
    "process": ProcessContainerManager,
    "docker": DockerContainerManager,
    "kubernetes": KubernetesContainerManager,
}
_on = "process"


@app.callback()
def common(on: On = "process") -> None:
    global _on
    _on = on


def _manager(cluster_name: str) -> ContainerManager:
    return _MANAGERS[_on](cluster_name)


# The cluster


@app.command()
def start(
    cluster_name: ClusterName = DEFAULT,
    cache_size: Annotated[int | None, typer.Option(help="Of the prediction cache, in bytes.")] = None,
    num_frontends: Annotated[int | None, typer.Option(help="Query frontends that share the port.")] = None,
) -> None:
    """Start a cluster, or find it running."""
    manager = _manager(cluster_name)
    console = _console()
    given = {"cache_size": cache_size, "num_frontends": num_frontends}
    with console.status(f"Starting {cluster_name} ..."):
        started = manager.up(fresh=False, settings={k: v for k, v in given.items() if v is not None})
    record = manager.record()
    if record is None:
        raise ClusterError(f"Cluster {cluster_name!r} was stopped as soon as it had started.")
    verb = "runs" if started else "is already running"
    where = f"queries at {record.query}, management at {record.management}"
    if isinstance(manager, KubernetesContainerManager) and manager.forwards:
        where = f"`kubectl port-forward -n {manager.namespace} service/query 1337` leads to its queries"
    console.print(f"[bold]{cluster_name}[/] {verb}: {where}.", soft_wrap=True)
    plain = cluster_name == DEFAULT and _on == "process"
    manager_code = "" if plain else f'{type(manager).__name__}("{cluster_name}")'
    console.print(f"In Python: conn = ClipperConnection({manager_code}); conn.connect()", soft_wrap=True)


@app.command()
def stop(
    cluster_name: ClusterName = DEFAULT,
    purge: Annotated[bool, typer.Option("--purge", help="Remove its applications and models too.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Kill, and lose what is under way.")] = False,
) -> None:
    """Stop a cluster. The next start finds its applications and models again, unless they are purged."""
    stopped = _manager(cluster_name).down(purge=purge, graceful=not now)
    ended = f"{stopped} process{'' if stopped == 1 else 'es'} ended" if stopped else "it was not running"
    removed = ", and nothing of it is left" if purge else ""
    _console().print(f"[bold]{cluster_name}[/] is stopped: {ended}{removed}.")


@app.command()
def status(cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Say what runs in a cluster. Exit code 1 where it does not run."""
    # Only looks: unlike connect(), it does not bring dead management back.
    record = _manager(cluster_name).record()
    if record is None:
        raise ClusterError(
            f"Cluster {cluster_name!r} is not running. `clipperlab start --cluster-name {cluster_name}` "
            "starts it."
        )
    management = Management(record)
    if as_json:
        _json(
            {
                **management.cluster(),
                "applications": management.applications(),
                "models": management.models(),
                "replicas": management.replicas(),
            }
        )
    else:
        _console().print(summarise(management))


@app.command()
def manifests(
    cluster_name: ClusterName = DEFAULT,
    namespace: Annotated[str, typer.Option(help="By default clipper-<cluster name>.")] = "",
    registry: Annotated[str, typer.Option(help="Where the images are.")] = "",
    cache_size: Annotated[int | None, typer.Option(help="Of the prediction cache, in bytes.")] = None,
    num_frontends: Annotated[int | None, typer.Option(help="Query frontends.")] = None,
) -> None:
    """Print a cluster on Kubernetes as YAML, for `kubectl apply` and GitOps: as it runs, or as it would."""
    manager = KubernetesContainerManager(cluster_name, namespace=namespace or None, registry=registry)
    given = {"cache_size": cache_size, "num_frontends": num_frontends}
    text, running = manager.manifests({k: v for k, v in given.items() if v is not None})
    said = "As it runs" if running else "As it would be, for it does not run"
    typer.echo(f"# {cluster_name}. {said}. Management makes its secrets.\n{text}", nl=False)


images = typer.Typer(help="Container images, for clusters on Docker.", no_args_is_help=True)
app.add_typer(images, name="images")


@images.command("build")
def build_images(
    names: Annotated[list[str] | None, typer.Argument(help="Which; by default all for CPUs.")] = None,
    base: Annotated[str, typer.Option(help="The image to build upon; by default Python's slim one.")] = "",
    registry: Annotated[str, typer.Option(help="Put before the tags.")] = "",
    push: Annotated[bool, typer.Option("--push", help="Push them to the registry.")] = False,
    pip_options: Annotated[str, typer.Option(help="Of pip's, such as an index with builds of torch.")] = "",
) -> None:
    """Build the images of this version of Clipper Lab, for this version of Python."""
    from .images import PACKAGES, build

    console = _console()
    for name in names or [name for name in PACKAGES if not name.endswith("-cuda")]:
        with console.status(f"Building {name} ...") as status:
            (found,) = build(
                [name],
                base=base,
                registry=registry,
                push=push,
                pip_options=pip_options,
                say=lambda words, name=name: status.update(f"Building {name}: {words[:90]}"),  # type: ignore[misc]
            )
        console.print(found)


@app.command()
def doctor(cluster_name: ClusterName = DEFAULT) -> None:
    """Say what is wrong with this machine, and what to do about it. Exit code 1 where something is."""
    from .doctor import examine

    marks = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}
    findings = examine(ProcessContainerManager(cluster_name))
    for finding in findings:
        _console().print(f"{marks[finding.state]}  {finding.what}", markup=True)
    raise typer.Exit(any(finding.state == "bad" for finding in findings))


@app.command()
def demo() -> None:
    """Serve a model of handwritten digits: deploy, roll forward, roll back, scale out. Under a minute."""
    from .demo import run

    raise typer.Exit(run(_console()))


# Models


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="A Python file with a function, or an artifact.")],
    name: Annotated[str, typer.Option(help="The model's name.")],
    version: Annotated[str, typer.Option(help="Of the model.")],
    input_type: Annotated[str, typer.Option(help="Such as doubles, strings or json.")],
    function: Annotated[str, typer.Option(help="The function's name in the file.")] = "predict",
    app_name: Annotated[
        str | None, typer.Option("--app", help="Also make an application of this name, and link it.")
    ] = None,
    slo_ms: Annotated[float, typer.Option(help="The application's latency objective.")] = 100.0,
    default: Annotated[str, typer.Option(help="The application's default output, as JSON.")] = "null",
    replicas: Annotated[int, typer.Option(help="How many.")] = 1,
    batching: Annotated[str, typer.Option(help="learned, aimd, fixed(32) or off.")] = "learned",
    example_input: Annotated[str | None, typer.Option(help="One input as JSON, to warm up with.")] = None,
    requirement: Annotated[list[str] | None, typer.Option(help="A package to install. Repeatable.")] = None,
    requirements: Annotated[Path | None, typer.Option(help="A file with such packages.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Of each replica.")] = None,
    memory: Annotated[str | None, typer.Option(help="Of each replica, such as 512Mi.")] = None,
    gpus: Annotated[int, typer.Option(help="Of each replica.")] = 0,
    stage: Annotated[bool, typer.Option("--stage", help="Do not make it current.")] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Deploy a version of a model, and wait until it answers."""
    # First all that can be wrong before anything changes.
    default_output = _parse(default)
    example = None if example_input is None else _parse(example_input)
    limits = {"cpus": cpus, "memory": memory, "gpus": gpus}
    options: dict[str, Any] = {
        "num_replicas": replicas,
        "batching": batching,
        "make_current": not stage,
        "message": message,
        "resources": {k: v for k, v in limits.items() if v},
    }
    if not file.is_file():
        raise BadRequest(f"There is no file {file}.")
    func = function_in(file, function) if file.suffix == ".py" else None
    conn = _connect(cluster_name)
    began = time.monotonic()

    def deploy_it() -> None:
        if func is None:
            conn.deploy_model(name, version, input_type, artifact=file, **options)
        else:
            deploy_python_closure(
                *(conn, name, version, input_type, func),
                pkgs_to_install=requirement,
                requirements=requirements,
                example_input=example,
                **options,
            )

    found = None if app_name is None else conn.get_app_info(app_name)
    if app_name is None:
        deploy_it()
    elif found is None:
        conn.register_application(app_name, input_type, default_output, int(1000 * slo_ms))
        try:
            deploy_it()
            conn.link_model_to_app(app_name, name)
        except BaseException:
            conn.unregister_application(app_name)
            raise
    else:
        if found["input_type"] != canonical(input_type):
            raise BadRequest(
                f"The application {app_name} takes {found['input_type']}, and the model "
                f"{canonical(input_type)}. Choose another application, or none."
            )
        deploy_it()
        if name not in conn.get_linked_models(app_name):
            conn.link_model_to_app(app_name, name)
    if app_name is not None:
        _console().print(f"It answers at {conn.application(app_name).url}")
    state = "staged" if stage else "current"
    _console().print(f"[bold]{name}:{version}[/] is {state}, after {time.monotonic() - began:.1f} s.")


@app.command()
def versions(model: str, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Show a model's versions, and who made which one current, when and why."""
    conn = _connect(cluster_name)
    handle = conn.model(model)
    if as_json:
        _json({"versions": handle.versions, "history": list(handle.history)})
    else:
        _console().print(versions_of(handle))


@app.command()
def rollback(model: str, message: Message = "", cluster_name: ClusterName = DEFAULT) -> None:
    """Go back to the version before the current one, at once."""
    version = _connect(cluster_name).rollback(model, message=message)
    _console().print(f"[bold]{model}:{version}[/] is current.")


@app.command()
def set_version(model: str, version: str, message: Message = "", cluster_name: ClusterName = DEFAULT) -> None:
    """Make a deployed version the current one."""
    _connect(cluster_name).set_model_version(model, version, message=message)
    _console().print(f"[bold]{model}:{version}[/] is current.")


@app.command()
def scale(
    model: str,
    replicas: Annotated[int | None, typer.Argument(help="How many.")] = None,
    least: Annotated[int | None, typer.Option("--min", help="Scale by the load, not below this.")] = None,
    most: Annotated[int | None, typer.Option("--max", help="Scale by the load, not above this.")] = None,
    cpu_percent: Annotated[
        int | None, typer.Option(help="On Kubernetes: by this part of the CPU that a replica asks for.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="By default the current one.")] = None,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Give a model so many replicas, or bounds between which they follow the load."""
    conn = _connect(cluster_name)
    if replicas is not None and least is None and most is None and cpu_percent is None:
        found = conn.get_model_info(model, version or conn.get_current_model_version(model))
        if found is not None and found["autoscaling"] is not None:
            conn.set_autoscaling(model, None, version=version)
        conn.set_num_replicas(model, replicas, version)
        _console().print(f"[bold]{model}[/] has {replicas} replica{'' if replicas == 1 else 's'}.")
    elif replicas is None and least is not None and most is not None:
        conn.set_autoscaling(model, least, most, version, cpu_percent=cpu_percent)
        _console().print(f"[bold]{model}[/] has from {least} to {most} replicas, as its load wants.")
    else:
        raise BadRequest(
            "Give either a number of replicas, or both --min and --max, and --cpu-percent with them."
        )


# What happens


@app.command()
def predict(
    application: str,
    value: Annotated[str, typer.Argument(help="The input as JSON, or - to read it from stdin.")],
    version: Annotated[str | None, typer.Option(help="By default the current one.")] = None,
    timeout_ms: Annotated[float | None, typer.Option(help="Less than the objective.")] = None,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Ask an application, and print the output. Exit code 3 where it is the default one."""
    given = _parse(sys.stdin.read() if value == "-" else value)
    app = _connect(cluster_name).application(application)
    timeout_micros = None if timeout_ms is None else int(1000 * timeout_ms)
    answer = app.predict(given, version=version, timeout_micros=timeout_micros)
    _json(answer if as_json else answer["output"])
    if answer["default"]:
        sys.stderr.write(f"{answer['default_reason']}: {answer['default_explanation']}\n")
        raise typer.Exit(3)


@app.command()
def why(query_id: int, cluster_name: ClusterName = DEFAULT) -> None:
    """Tell the path of one of the last queries, with times."""
    typer.echo(str(_connect(cluster_name).why(query_id)))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="Such as query-0 or digits.1.0; all without it.")] = None,
    follow: Follow = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Only the last so many of each.")] = 20,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Print the logs of the cluster's processes."""
    conn = _connect(cluster_name)
    seen: dict[str, int] = {}

    def look() -> None:
        for each in [name] if name else sorted(conn._management.logs()):
            text, after = conn.log(each, seen.get(each, 0))
            while True:
                more, position = conn.log(each, after)
                if position == after:
                    break
                text, after = text + more, position
            told = text.splitlines()
            for line in told if each in seen else told[-lines:]:
                typer.echo(line if name else f"{each}: {line}")
            seen[each] = after

    look()
    if follow:
        _follow(conn, look, pause_s=LOOK_S)


@app.command()
def events(
    follow: Follow = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Only the last so many.")] = 20,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print what happened in the cluster."""
    conn = _connect(cluster_name)
    last = 0
    known: list[Event] = []
    while found := conn.events(last):
        last = found[-1]["id"]
        known = [*known, *found][-lines:]
    _tell(known, as_json)

    def look() -> None:
        nonlocal last
        for event in conn.events(last, wait_s=FOLLOW_S):
            last = event["id"]
            _tell([event], as_json)

    if follow:
        _follow(conn, look, pause_s=0.0)


def _tell(found: Iterable[Event], as_json: bool) -> None:
    for event in found:
        at = datetime.fromtimestamp(event["at"])
        typer.echo(json.dumps(event) if as_json else f"{at:%Y-%m-%d %H:%M:%S}  {event['text']}")


def _follow(conn: ClipperConnection, look: Callable[[], None], *, pause_s: float) -> None:
    """Look again and again, until Ctrl+C; also over a restart of management."""
    try:
        while True:
            try:
                look()
            except ClusterError as error:
                sys.stderr.write(f"{error}\nWaiting for it ...\n")
                time.sleep(1)
                conn._attach()
            time.sleep(pause_s)
    except KeyboardInterrupt:
        pass


def _connect(cluster_name: str) -> ClipperConnection:
    conn = ClipperConnection(_manager(cluster_name))
    conn.connect()
    return conn


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(
            f"{text[:100]!r} is no JSON: {error}. Quote it for the shell: '[1.0, 2.0]' or '\"text\"'."
        ) from None


def _json(value: Any) -> None:
    typer.echo(json.dumps(value))


def _console() -> Console:
    """Made for each command, as the terminal may change between them."""
    return Console(highlight=False, soft_wrap=True)
