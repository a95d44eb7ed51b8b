"""The connection: every operation on a cluster, under the names that Clipper's users know."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from clipper_container import artifact as artifacts
from clipper_container.errors import (
    ArtifactError,
    BadRequest,
    ClipperException,
    ClusterError,
    NotFound,
    UnconnectedException,
)

from .display import Displayed, workbench
from .handles import ApplicationHandle, History, ModelHandle
from .managers import ClusterRecord, ContainerManager, ProcessContainerManager
from .names import check_labels, check_name
from .options import DeployOptions
from .progress import Progress
from .refusals import refuse_start_arguments
from .views import BatchingView, Trace

if TYPE_CHECKING:
    from .load import LoadRun
    from .load.schedule import Arrivals
    from .management import Application, Event, Management, Replica, Version
    from .workbench.lens import Lens
    from .workbench.panel import Panel
    from .workbench.view import View, Viewing

_T = TypeVar("_T")
READY_TIMEOUT_S = 300.0
LOOK_EVERY_S = 1.0  # while somebody watches
MAX_FRONTENDS = 64


class ClipperConnection(Displayed):
    """A connection to one cluster, which `start_clipper` or `connect` attaches.

    All other methods but `stop_all` raise UnconnectedException before that, and ClusterError where the
    cluster does not answer. Methods block, and may be called from any thread. Versions may be given as
    anything with a `str()`. A cluster outlives the connection: `stop_all` ends it.
    """

    def __init__(self, container_manager: ContainerManager | None = None) -> None:
        self.cm: ContainerManager = container_manager or ProcessContainerManager()
        self.__viewing: Viewing | None = None
        self._attached: tuple[ClusterRecord, Management] | None = None

    def __repr__(self) -> str:
        where = f"at {self._attached[0].query}" if self._attached else "unconnected"
        return f"<ClipperConnection to {self.cm.cluster_name!r}, {where}>"

    # The cluster

    def start_clipper(
        self,
        *,
        cache_size: int = 33_554_432,
        num_frontend_replicas: int = 1,
        fresh: bool = False,
        **of_clipper: Any,
    ) -> None:
        """Start the cluster and attach to it. It finds the applications and models of its last run again.

        `cache_size` is that of the prediction cache, in bytes, in each query frontend; 0 switches it off.
        `num_frontend_replicas` query frontends (at most 64) share the query port. `fresh` first ends and
        removes what an earlier run left. Raises BadRequest (also for Clipper's arguments for images and
        timeouts, saying what there is instead), or ClusterError where the cluster runs already: `connect`
        is for that.
        """
        refuse_start_arguments(of_clipper)
        if cache_size < 0:
            raise BadRequest(f"cache_size is in bytes, and cannot be {cache_size}. 0 switches the cache off.")
        if not 1 <= num_frontend_replicas <= MAX_FRONTENDS:
            raise BadRequest(
                f"num_frontend_replicas must be from 1 to {MAX_FRONTENDS}, not {num_frontend_replicas}."
            )
        settings = {"cache_size": cache_size, "num_frontends": num_frontend_replicas}
        if not self.cm.up(fresh=fresh, settings=settings):
            raise ClusterError(
                f"Cluster {self.cm.cluster_name!r} is already running: connect() attaches to it, and "
                "start_clipper(fresh=True) replaces it."
            )
        self._attach()

    def connect(self) -> None:
        """Attach to a cluster that was started, by any process; start its management again if it is dead.

        Raises ClusterError where the cluster was never started, or is stopped.
        """
        self._attach()
        try:
            self._management.cluster()
        except ClipperException:
            # Silent, or somebody else who got its port after a reboot: the manager knows by more than that.
            self.cm.up(fresh=False)
            self._attach()

    def _attach(self) -> None:
        # Late, so that the package can be imported without the client extra.
        from .management import Management

        self._attached = None
        record = self.cm.record()
        if record is None:
            raise ClusterError(
                f"Cluster {self.cm.cluster_name!r} is not running. start_clipper(), or "
                f"`clipperlab start --cluster-name {self.cm.cluster_name}`, starts it."
            )
        self._attached = record, Management(record)

    @property
    def _record(self) -> ClusterRecord:
        return self._both()[0]

    @property
    def _management(self) -> Management:
        return self._both()[1]

    def _both(self) -> tuple[ClusterRecord, Management]:
        if self._attached is None:
            raise UnconnectedException(
                "This connection is not attached to a cluster. Call connect() for one that runs, or "
                "start_clipper() for a new one."
            )
        return self._attached

    def stop_all(self, graceful: bool = True, *, purge: bool = False) -> None:
        """End every process of the cluster, attached or not, and detach.

        The next `start_clipper` finds its applications and models again, unless `purge` removes them.
        Without `graceful` the processes are killed, with the queries that they have.
        """
        self._attached = None
        self.cm.down(purge=purge, graceful=graceful)

    def status(self) -> dict[str, Any]:
        """What runs: addresses, query frontends, counts, and the last 20 events."""
        return self._management.cluster()

    def get_query_addr(self) -> str:
        """Where applications answer, "host:port"."""
        return self._record.query

    def get_management_addr(self) -> str:
        """Where the management API answers, "host:port"."""
        return self._record.management

    def get_metric_addr(self) -> str:
        """Where /metrics answers, "host:port": the first query frontend's own address.

        `status()["frontends"]` has those of all, and `get_metrics` adds them up.
        """
        addresses = [f["metrics"] for f in self._management.cluster()["frontends"] if f["metrics"]]
        if not addresses:
            raise ClusterError("No query frontend serves at the moment. status() tells what runs.")
        return str(addresses[0])

    def events(self, after: int | None = None, *, wait_s: float = 0) -> list[Event]:
        """The last 100 things that happened in the cluster, the oldest first.

        With `after`, the first 100 after the event of that id; where there are none, waits up to `wait_s`
        seconds (at most 30) for one. Ten thousand are kept.
        """
        return self._management.events(after, wait_s=wait_s)

    def log(self, name: str, after: int = 0) -> tuple[str, int]:
        """One process's log from a position on, and the position to go on from.

        Names are "query-0" and "<model>.<version>.<replica>". Raises NotFound.
        """
        return self._management.log(name, after)

    def get_clipper_logs(self, logging_dir: str | Path = "clipper_logs/") -> list[str]:
        """Write the log of every process to a file of its own in `logging_dir`; return the files' paths."""
        logs = self._management.logs()
        folder = Path(logging_dir).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for process, text in sorted(logs.items()):
            path = folder / f"{process.replace('/', '_')}.log"
            path.write_text(text, encoding="utf-8", errors="replace")
            paths.append(str(path))
        return paths

    # Applications

    def register_application(
        self,
        name: str,
        input_type: str,
        default_output: object,
        slo_micros: int,
        *,
        on_overload: Literal["default", "reject"] = "default",
    ) -> None:
        """Make the endpoint /{name}/predict. It answers `default_output` until a model is linked.

        `slo_micros` is the latency objective in microseconds: a query that is not answered in time gets
        the default output. One that cannot be, with all the work that is ahead of it, gets the default
        output at once, or HTTP 429 with a Retry-After header where `on_overload` is "reject".
        Raises AlreadyExists, or BadRequest.
        """
        self._management.register_application(name, input_type, default_output, slo_micros, on_overload)

    def application(self, name: str) -> ApplicationHandle:
        """A handle of the application: shows it, asks it, links it. Raises NotFound."""
        handle = ApplicationHandle(self, name)
        _ = handle.info
        return handle

    def set_latency_objective(self, name: str, slo_micros: int) -> None:
        """Give the application another latency objective, in microseconds. Raises NotFound or BadRequest."""
        self._management.update_application(name, {"latency_slo_micros": slo_micros})

    def set_default_output(self, name: str, default_output: object) -> None:
        """Give the application another default output. Raises NotFound or BadRequest."""
        self._management.update_application(name, {"default_output": default_output})

    def unregister_application(self, name: str) -> None:
        """Remove the endpoint. Raises NotFound."""
        self._management.unregister_application(name)

    def delete_application(self, name: str) -> None:
        """Clipper's older name of `unregister_application`."""
        self.unregister_application(name)

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        """Have the application answered by the model's current version. Their input types must agree.

        Raises NotFound, AlreadyExists (linked already) or BadRequest.
        """
        self._management.link(app_name, model_name)

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """Undo `link_model_to_app`. Raises NotFound."""
        self._management.unlink(app_name, model_name)

    def get_linked_models(self, app_name: str) -> list[str]:
        """The names of the models linked to the application. Raises NotFound."""
        return self._management.application(app_name)["linked_models"]

    @overload
    def get_all_apps(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_apps(self, verbose: Literal[True]) -> list[Application]: ...
    def get_all_apps(self, verbose: bool = False) -> list[str] | list[Application]:
        """The names of all applications; `verbose` gives what `get_app_info` does."""
        applications = self._management.applications()
        return applications if verbose else [a["name"] for a in applications]

    def get_app_info(self, name: str) -> Application | None:
        """All about one application; None where there is none of that name."""
        try:
            return self._management.application(name)
        except NotFound:
            return None

    # Models

    def model(self, name: str) -> ModelHandle:
        """A handle of the model: shows its versions, moves between them, scales it. Raises NotFound."""
        handle = ModelHandle(self, name)
        _ = handle.versions
        return handle

    def deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: str | None = None,
        labels: Sequence[str] | None = None,
        num_replicas: int = 1,
        batch_size: int = -1,
        *,
        artifact: str | Path | None = None,
        example_input: object | None = None,
        size: str | None = None,
        **options: Unpack[DeployOptions],
    ) -> None:
        """Deploy a version, and return when all its replicas are ready: it is then the current one.

        `image` is a container image with Clipper Lab's entry point and a model in it, as `build_model` makes
        them, where the cluster runs containers. `artifact` is the path of a packaged model, which the
        deployers make; an image besides is what it runs in. `example_input` and `size` are as in the
        deployers, and for an image alone: an artifact has its own. `batch_size` is Clipper's way to say
        `batching`: -1 is "learned", 1 is "off", and n is "fixed(n)". `DeployOptions` tells of the others.

        Raises DeployError with the model's own traceback where the version does not come up, and leaves
        the version that serves alone; AlreadyExists, BadRequest or ArtifactError; ClusterError after
        `timeout_s`.
        """
        management = self._management
        if artifact is None:
            if not image:
                raise BadRequest(
                    "deploy_model() takes an image with a model in it, or artifact=, the path of a packaged "
                    "model. The deployers, such as deployers.python, package a model and deploy it."
                )
            with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
                path = Path(folder) / "artifact.zip"
                artifacts.pack(
                    path,
                    loader=artifacts.IN_THE_IMAGE,
                    input_type=input_type,
                    parts={},
                    example_input=example_input,
                    size=size,
                )
                self.deploy_model(
                    *(name, version, input_type, image, labels, num_replicas, batch_size),
                    artifact=path,
                    **options,
                )
            return
        if example_input is not None or size is not None:
            raise BadRequest("example_input and size are for an image alone: the artifact has its own.")
        batching = _batching(batch_size, options)
        path = Path(artifact)
        if not path.is_file():
            raise ArtifactError(
                f"There is no artifact at {path}. The deployers, such as deployers.python, package a model "
                "and deploy it."
            )
        fields: dict[str, Any] = {**options, "batching": batching, **({"image": image} if image else {})}
        fields["labels"] = check_labels(labels)
        wait = fields.pop("wait", True)
        timeout_s = fields.pop("timeout_s", READY_TIMEOUT_S)
        digest = artifacts.digest(path)
        with Progress(f"Deploying {name}:{version}") as progress:
            progress.say("uploading")
            management.upload(digest, path)
            fields |= {
                "input_type": input_type,
                "artifact": digest,
                "num_replicas": num_replicas,
            }
            management.deploy(name, version, fields)
            if wait:
                self._wait_ready(name, version, timeout_s, progress)

    def build_model(
        self,
        name: str,
        version: object,
        model_data_path: str | Path,
        base_image: str = "default",
        container_registry: str | None = None,
        pkgs_to_install: Sequence[str] | None = None,
        *,
        model_class: str = "",
    ) -> str:
        """Build a container image with a model in it; return its name, which `deploy_model` takes.

        `model_data_path`, a folder or a file, becomes /model, the working directory of its replicas.
        `model_class`, "module:Class", is found there, made without arguments, and asked: by its
        `predict(inputs)`, or the method that a `clipper_container.ModelContainerBase` has for the input type.
        An image of your own, upon one of Clipper Lab's, may name it as CLIPPER_MODEL. `container_registry` is
        where the image is pushed. Needs an engine, and no cluster. Raises BadRequest or ClusterError.
        """
        from .model_images import build_with_model

        check_name("model", name)
        check_name("version", str(version))
        with Progress(f"Building {name}:{version}") as progress:
            return build_with_model(
                f"{self.cm.cluster_name}-{name}:{version}",
                base_image,
                Path(model_data_path),
                packages=pkgs_to_install or (),
                model_class=model_class,
                registry=container_registry,
                say=lambda words: progress.say(words[:90]),
            )

    def build_and_deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        model_data_path: str | Path,
        base_image: str = "default",
        labels: Sequence[str] | None = None,
        container_registry: str | None = None,
        num_replicas: int = 1,
        batch_size: int = -1,
        pkgs_to_install: Sequence[str] | None = None,
        *,
        model_class: str = "",
        example_input: object | None = None,
        size: str | None = None,
        **options: Unpack[DeployOptions],
    ) -> None:
        """`build_model` and `deploy_model`. Raises what the two raise."""
        image = self.build_model(
            *(name, version, model_data_path, base_image, container_registry, pkgs_to_install),
            model_class=model_class,
        )
        self.deploy_model(
            *(name, version, input_type, image, labels, num_replicas, batch_size),
            example_input=example_input,
            size=size,
            **options,
        )

    def wait_until_ready(
        self, name: str, version: object = None, *, timeout_s: float = READY_TIMEOUT_S
    ) -> None:
        """Return when all replicas of a version, by default the current one, are ready.

        Raises what `deploy_model` raises of a version that does not come up.
        """
        version = self.get_current_model_version(name) if version is None else version
        with Progress(f"Waiting for {name}:{version}") as progress:
            self._wait_ready(name, version, timeout_s, progress)

    def _wait_ready(self, name: str, version: object, timeout_s: float, progress: Progress) -> None:
        self._management.wait_ready(
            name, version, timeout_s=timeout_s, said=progress.say, look_every_s=LOOK_EVERY_S
        )

    @staticmethod
    def test_predict_function(query: dict[str, Any], func: Callable[[Any], Any], input_type: str) -> Any:
        """Try `func` here, before it is deployed; needs no cluster. See `trial.try_function`."""
        from .trial import try_function

        return try_function(query, func, input_type)

    def register_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: None = None,
        labels: Sequence[str] | None = None,
        batch_size: int = -1,
        **options: Unpack[DeployOptions],
    ) -> None:
        """Register a version of a model that runs elsewhere on this machine, and dials in.

        It is current at once, and answers as soon as something runs it: `clipperlab.serve` does, in this
        process. Raises AlreadyExists or BadRequest.
        """
        if image is not None:
            raise BadRequest("register_model() is for a model that runs elsewhere: leave out the image.")
        refused = options.keys() & {"resources", "python", "wait", "timeout_s"}
        if refused:
            raise BadRequest(f"{', '.join(sorted(refused))}: leave out what is for models that run here.")
        fields: dict[str, Any] = {
            **options,
            "input_type": input_type,
            "artifact": None,
            "labels": check_labels(labels),
            "batching": _batching(batch_size, options),
        }
        self._management.deploy(name, version, fields)

    def stop_models(self, model_names: Sequence[str]) -> None:
        """Stop and unregister all versions of these models. Raises NotFound, before any is stopped."""
        versions = self._versions_of(_several("model_names", model_names))
        self._stop([(v["model_name"], v["model_version"]) for v in versions])

    def stop_versioned_models(self, model_versions_dict: Mapping[str, Sequence[object]]) -> None:
        """Stop and unregister these versions, {model name: [version, ...]}. Raises NotFound."""
        self._stop(
            [
                (name, version)
                for name, versions in model_versions_dict.items()
                for version in _several(f"the versions of {name}", versions)
            ]
        )

    def stop_inactive_model_versions(self, model_names: Sequence[str]) -> None:
        """Stop and unregister all versions of these models but the current ones. Raises NotFound."""
        versions = self._versions_of(_several("model_names", model_names))
        self._stop([(v["model_name"], v["model_version"]) for v in versions if not v["is_current_version"]])

    def stop_all_model_containers(self) -> None:
        """Stop and unregister all versions of all models."""
        versions = self._management.models()
        self._stop([(v["model_name"], v["model_version"]) for v in versions])

    def _stop(self, versions: Sequence[tuple[str, object]]) -> None:
        for name, version in versions:
            self._management.remove_version(name, version)

    def set_model_version(
        self, name: str, version: object, num_replicas: int | None = None, *, message: str = ""
    ) -> None:
        """Make a deployed version the current one: back or forward, without a failed query.

        Where `num_replicas` is given, the version first gets that many. `message` says why, for the
        history. Raises NotFound or BadRequest.
        """
        if num_replicas is not None:
            self.set_num_replicas(name, num_replicas, version)
        self._management.set_current(name, version, message)

    def rollback(self, name: str, *, message: str = "") -> str:
        """Make the version before the current one the current one; return which it is.

        At once, for its replicas still run, and without a failed query. A second roll-back goes one version
        further back. `message` says why, for the history. Raises NotFound, or BadRequest where there is
        none to go back to.
        """
        return self._management.roll_back(name, message)["model_version"]

    def get_model_history(self, name: str) -> History:
        """Who made which version current, when and why; the last move at the end. Raises NotFound."""
        return History(self._management.history(name))

    def get_current_model_version(self, name: str) -> str:
        """The version that answers. Raises NotFound, also where no version was ready yet."""
        for version in self._versions_of([name]):
            if version["is_current_version"]:
                return version["model_version"]
        raise NotFound(f"No version of model {name!r} is ready yet. get_model_info() tells its state.")

    def set_num_replicas(self, name: str, num_replicas: int, version: object = None) -> None:
        """Give a version, by default the current one, this many replicas; return when they are ready.

        Raises NotFound or BadRequest; ClusterError after 300 s.
        """
        version = self.get_current_model_version(name) if version is None else version
        self._management.set_num_replicas(name, version, num_replicas)
        self._management.wait_ready(name, version, timeout_s=READY_TIMEOUT_S)

    def set_autoscaling(
        self,
        name: str,
        min_replicas: int | None,
        max_replicas: int | None = None,
        version: object = None,
        *,
        cpu_percent: int | None = None,
    ) -> None:
        """Let the number of replicas of a version, by default the current one, follow its load.

        They are as many as carry the measured load within the objective, from `min_replicas` to
        `max_replicas`; its events say why they change. With a `min_replicas` of 0 they all go when nobody
        asks for a minute, and the next query starts one. `set_autoscaling(name, None)` leaves the number as
        it is then. On Kubernetes, `cpu_percent` has a HorizontalPodAutoscaler do it instead, which keeps the
        CPU load of the replicas at that part of what each asks for in resources=, and needs a metrics-server.
        Raises NotFound or BadRequest.
        """
        version = self.get_current_model_version(name) if version is None else version
        if min_replicas is None:
            self._management.set_autoscaling(name, version, None)
            return
        if max_replicas is None:
            raise BadRequest("set_autoscaling() needs both bounds: set_autoscaling(name, 1, 4).")
        self._management.set_autoscaling(name, version, (min_replicas, max_replicas), cpu_percent)

    def set_batching(
        self, name: str, batching: str, batch_delay_micros: int = 0, version: object = None
    ) -> None:
        """Form the batches of a version, by default the current one, in another way; its replicas run on.

        See `DeployOptions` for the ways. Raises NotFound or BadRequest.
        """
        version = self.get_current_model_version(name) if version is None else version
        self._management.set_batching(name, version, batching, batch_delay_micros)

    def batching(self, name: str, version: object = None) -> BatchingView:
        """How batches of a version, by default the current one, are formed, and what they took.

        Sizes against latency as they are known now, and how it was in the last five minutes. Raises
        NotFound.
        """
        version = self.get_current_model_version(name) if version is None else version
        return BatchingView(f"{name}:{version}", self._management.batching(name, version))

    # The workbench

    @property
    def _viewing(self) -> Viewing:
        if self.__viewing is None:
            self.__viewing = workbench("view").Viewing(self.cm)
        return self.__viewing

    def _view(self) -> View:
        view: View = workbench("views").ConnectionView(self)
        return self._viewing.begin(view)

    def _repr_html_(self) -> str:
        from .workbench import glance
        from .workbench.watch import Watch

        seen = Watch(self.cm).look()
        return "".join(
            part(seen) for part in (glance.trouble, glance.head, glance.applications, glance.versions)
        )

    def panel(self) -> Panel:
        """Everything in the cluster at a glance, and buttons for everything that can be done to it.

        Live, in a notebook. Raises ClusterError where ipywidgets and anywidget are not installed.
        """
        _ = self._record
        panel: Panel = workbench("panel").Panel(self)
        self._viewing.begin(panel)
        return panel

    def lens(self, app_name: str, rows: Any = None) -> Lens:
        """A place to ask an application one input, and to see its answer and the path that it took.

        `rows` is a dataframe, an array or a list, whose rows can be sent. Raises NotFound, or ClusterError
        where ipywidgets and anywidget are not installed.
        """
        _ = self.application(app_name)
        lens: Lens = workbench("lens").Lens(self, app_name, rows)
        lens.show(self._viewing.watch.look())
        return lens

    def load(
        self,
        app_name: str,
        *,
        rate: float,
        seconds: float,
        arrivals: Arrivals = "poisson",
        inputs: Any = None,
        cache: bool = False,
    ) -> LoadRun:
        """Send the application queries for a while; return at once, with a handle that shows how it goes.

        An open loop from a process of its own: `rate` queries a second, whether they are answered or not.
        They come as those of users who know nothing of each other ("poisson"), at fixed intervals
        ("constant"), or each second's within a tenth of it ("burst"). `inputs`, a list, an array or a
        dataframe, are sent in turn; by default the example input that came with the model. As they repeat,
        they leave the prediction cache out, unless `cache` lets them use it. Latencies count from when a
        query was to be sent. `result()` of the handle waits for the end, `stop()` ends it. Raises NotFound
        or BadRequest.
        """
        from .load import LoadRun
        from .load.run import CONNECTIONS, FORWARDED_CONNECTIONS

        handle = self.application(app_name)
        info = handle.info
        if inputs is None:
            inputs = self._example_inputs(info)
        return LoadRun(
            *(app_name, handle.url, inputs),
            rate=rate,
            seconds=seconds,
            arrivals=arrivals,
            objective_ms=info["latency_slo_micros"] / 1000,
            cache=cache,
            connections=FORWARDED_CONNECTIONS if getattr(self.cm, "forwards", False) else CONNECTIONS,
        )

    def _example_inputs(self, application: Application) -> list[Any]:
        for model in application["linked_models"]:
            for version in self._versions_of([model]):
                if version["is_current_version"]:
                    example = self._management.example_input(model, version["model_version"])
                    if example is not None:
                        return [example]
        raise BadRequest(
            f"What should be sent to {application['name']}? Give inputs=[...]; or deploy its model with "
            "example_input=, which is sent then."
        )

    # What was measured

    def why(self, query_id: int) -> Trace:
        """The path of one of the last queries, with times, and why its answer is what it is.

        Query frontends remember their last 16,384 queries each. Raises NotFound for others.
        """
        return Trace(self._management.why(query_id))

    def inspect_instance(self) -> dict[str, Any]:
        """The metrics of all query frontends, summed up under Clipper's names.

        Latencies are in milliseconds. Percentiles are upper bounds.
        """
        return self._management.instance()

    def get_metrics(self) -> str:
        """The metrics of all query frontends, in Prometheus's text format."""
        return self._management.metrics()

    def get_num_replicas(self, name: str, version: object = None) -> int:
        """How many replicas a version, by default the current one, should have. Raises NotFound."""
        version = self.get_current_model_version(name) if version is None else version
        return self._management.version(name, version)["num_replicas"]

    @overload
    def get_all_models(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_models(self, verbose: Literal[True]) -> list[Version]: ...
    def get_all_models(self, verbose: bool = False) -> list[str] | list[Version]:
        """All versions of all models, "name:version"; `verbose` gives what `get_model_info` does.

        A version that failed to deploy is among them until it is stopped or deployed again.
        """
        versions = self._management.models()
        return versions if verbose else [f"{v['model_name']}:{v['model_version']}" for v in versions]

    def get_model_info(self, name: str, version: object) -> Version | None:
        """All about one version; None where there is none like that."""
        try:
            return self._management.version(name, version)
        except NotFound:
            return None

    @overload
    def get_all_model_replicas(self, verbose: Literal[False] = False) -> list[str]: ...
    @overload
    def get_all_model_replicas(self, verbose: Literal[True]) -> list[Replica]: ...
    def get_all_model_replicas(self, verbose: bool = False) -> list[str] | list[Replica]:
        """All replicas, "name:version:replica"; `verbose` gives what `get_model_replica_info` does.

        Those that drain before they end count no longer: `verbose` alone has them, as "stopping".
        """
        replicas = self._management.replicas()
        counted = [r for r in replicas if r["state"] != "stopping"]
        return replicas if verbose else [f"{r['model_id']}:{r['model_replica_id']}" for r in counted]

    def get_model_replica_info(self, name: str, version: object, replica_id: object) -> Replica | None:
        """All about one replica; None where there is none like that."""
        wanted = (name, str(version), str(replica_id))
        for replica in self._management.replicas():
            if (replica["model_name"], replica["model_version"], replica["model_replica_id"]) == wanted:
                return replica
        return None

    def _versions_of(self, names: Sequence[str]) -> list[Version]:
        """All versions of these models. Raises NotFound where one of them has none."""
        versions = self._management.models()
        known = {v["model_name"] for v in versions}
        for name in names:
            if name not in known:
                raise NotFound(
                    f"There is no model {name!r}. Models: {', '.join(sorted(known)) or 'none yet'}."
                )
        return [v for v in versions if v["model_name"] in names]


def _batching(batch_size: int, options: DeployOptions) -> str:
    """The way of batching that both arguments together ask for."""
    if batch_size == -1:
        return options.get("batching", "learned")
    if "batching" in options:
        raise BadRequest("Give either batch_size or batching: batch_size=n means batching='fixed(n)'.")
    if batch_size < 1:
        raise BadRequest(f"batch_size must be above 0, or -1 to leave it to the system, not {batch_size}.")
    return "off" if batch_size == 1 else f"fixed({batch_size})"


def _several(what: str, values: Sequence[_T]) -> Sequence[_T]:
    if isinstance(values, str):
        raise BadRequest(f"{what} must be a list: [{values!r}], not {values!r}.")
    return values
