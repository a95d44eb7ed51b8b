"""The connection: every operation on a cluster, under the names that Clipper's users know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clipper_container.counting import NEXT
from clipper_container.inputs import SETS

from .deployers.columns import has_arrays, is_named, selected_by_name
from .deployers.kinds import need_kind
from .display import Displayed, Shown, workbench
from .handles import ApplicationHandle, ModelHandle, Named
from .operations import Operations
from .places import ContainerManager
from .places.process import ProcessContainerManager
from .rows import several

if TYPE_CHECKING:
    from .workbench.lens import Lens
    from .workbench.panel import Panel


class ClipperConnection(Operations, Displayed):
    """A connection to one cluster, which `start_clipper` or `connect` attaches.

    All other methods but `stop_all` raise UnconnectedException before that, and ClusterError where the
    cluster does not answer. Methods block, and may be called from any thread. Versions may be given as
    anything with a `str()`. A cluster outlives the connection: `stop_all` ends it. `applications["name"]` and
    `models["name"]` are handles, whose names a notebook completes by Tab.

    >>> conn = ClipperConnection("mine")
    >>> conn.connect()
    >>> conn.models["digits"].current_version
    '2'
    """

    def __init__(self, container_manager: ContainerManager | str | None = None) -> None:
        """`container_manager` says where the cluster is; a name is that of a cluster of processes here."""
        if isinstance(container_manager, str):
            container_manager = ProcessContainerManager(container_manager)
        super().__init__(container_manager or ProcessContainerManager())
        # Attributes, and no properties: a notebook completes the names in the brackets of no others.
        self.applications: Named[ApplicationHandle] = Named(self.get_all_apps, self.application)
        self.models: Named[ModelHandle] = Named(self._model_names, self.model)

    def __repr__(self) -> str:
        where = f"at {self._attached[0].query}" if self._attached else "unconnected"
        return f"<ClipperConnection to {self.cm.cluster_name!r}, {where}>"

    def application(self, name: str) -> ApplicationHandle:
        """A handle of the application: shows it, asks it, links it. Raises NotFound.

        >>> conn.application("digits").predict(X[0])["output"]
        0
        """
        handle = ApplicationHandle(self, name)
        _ = handle.info
        return handle

    def model(self, name: str) -> ModelHandle:
        """A handle of the model: shows its versions, moves between them, scales it. Raises NotFound.

        >>> conn.model("digits").current_version
        '2'
        """
        handle = ModelHandle(self, name)
        _ = handle.versions
        return handle

    def deploy(
        self, model: Any, name: str, version: object = NEXT, input_type: str | None = None, **options: Any
    ) -> ModelHandle:
        """Deploy whatever a deployer takes: a function, an estimator, a module, an ONNX model, a class.

        `version` is by default the next number, and `input_type` that of the versions before. Without any it
        is "dataframe" for a pipeline that selects columns by name, or where `example_input` is a DataFrame or
        a Series with names; "named" where it is a dictionary with an array in it; and else "doubles".
        `options` are those of the deployer that is found. Raises BadRequest where none is, and what it
        raises.

        >>> conn.deploy(bayes, "digits", example_input=X[0]).current_version
        '3'
        """
        if input_type is None:
            before = [v["input_type"] for v in self._management.models() if v["model_name"] == name]
            example = options.get("example_input")
            columns = is_named(example) or selected_by_name(model)
            kind = "dataframe" if columns else "named" if has_arrays(example) else "doubles"
            input_type = before[-1] if before else kind
        return need_kind(model).deploy(self, model, name, version, input_type, options)

    @staticmethod
    def test_predict_function(query: dict[str, Any], func: Callable[[Any], Any], input_type: str) -> Any:
        """Try `func` here, before it is deployed; needs no cluster. See `trial.try_function`.

        >>> def sums(inputs):
        ...     return [sum(x) for x in inputs]
        >>> conn.test_predict_function({"input": [1.0, 2.0]}, sums, "doubles")
        [3.0]
        """
        from .deployers.trial import try_function

        return try_function(query, func, input_type)

    def panel(self) -> Panel:
        """Everything in the cluster at a glance, and buttons for everything that can be done to it.

        Live, in a notebook. Raises ClusterError where ipywidgets and anywidget are not installed.

        >>> panel = conn.panel()
        """
        _ = self._record
        panel: Panel = workbench("panel").Panel(self)
        self._viewing.begin(panel)
        return panel

    def lens(self, app_name: str, rows: Any = None) -> Lens:
        """A place to ask an application one input, and to see its answer and the path that it took.

        `rows` is a dataframe, an array or a list, whose rows can be sent. Raises NotFound, or ClusterError
        where ipywidgets and anywidget are not installed.

        >>> lens = conn.lens("digits", X)
        """
        kind = self.application(app_name).info["input_type"]
        if rows is not None and kind in SETS:
            rows = several(kind, rows)
        lens: Lens = workbench("lens").Lens(self, app_name, rows)
        lens.show(self._viewing.watch.look())
        return lens

    def _model_names(self) -> list[str]:
        return list(dict.fromkeys(v["model_name"] for v in self._management.models()))

    def _view(self) -> Shown:
        view: Shown = self._viewing.begin(workbench("views").ConnectionView(self))
        return view

    def _repr_html_(self) -> str:
        from .workbench import glance
        from .workbench.watch import Watch

        seen = Watch(self.cm).look()
        return "".join(
            part(seen) for part in (glance.trouble, glance.head, glance.applications, glance.versions)
        )
