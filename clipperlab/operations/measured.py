"""What was measured: the path of a query, metrics, and what a load sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipper_container.errors import BadRequest
from clipper_container.inputs import SETS

from ..display.trace import Trace
from ..rows import several
from .applications import Applications
from .models import Models

if TYPE_CHECKING:
    from ..load import LoadRun
    from ..load.schedule import Arrivals
    from ..management import Application


class Measured(Applications, Models):
    """Operations that tell how it goes."""

    def why(self, query_id: int | None = None) -> Trace:
        """The path of a query, with times, and why its answer is what it is; by default of the last one.

        Query frontends remember their last 16,384 queries each. Raises NotFound for others, and BadRequest
        for what is no query id.

        >>> answer = conn.application("digits").predict(X[0])
        >>> conn.why(answer["query_id"])["models"][0]["version"]
        'digits:2'
        """
        return Trace(self._management.why(query_id))

    def inspect_instance(self) -> dict[str, Any]:
        """The metrics of all query frontends, summed up under Clipper's names.

        Latencies are in milliseconds. Percentiles are upper bounds.

        >>> conn.inspect_instance()["app:digits:default_prediction_ratio"]
        0.0
        """
        return self._management.instance()

    def get_metrics(self) -> str:
        """The metrics of all query frontends, in Prometheus's text format.

        >>> "clipper_app_predictions_total" in conn.get_metrics()
        True
        """
        return self._management.metrics()

    def load(
        self,
        app_name: str,
        *,
        rate: float,
        seconds: float,
        arrivals: Arrivals = "poisson",
        inputs: Any = None,
        cache: bool = False,
        name: str = "",
    ) -> LoadRun:
        """Send the application queries for a while; return at once, with a handle that shows how it goes.

        An open loop from a process of its own: `rate` queries a second, whether they are answered or not.
        They come as those of users who know nothing of each other ("poisson"), at fixed intervals
        ("constant"), or each second's within a tenth of it ("burst"). `inputs`, a list, an array or a
        dataframe, are sent in turn; by default the example input that came with the model. As they repeat,
        they leave the prediction cache out, unless `cache` lets them use it. Latencies count from when a
        query was to be sent. `name` is what the run is called beside others. `result()` of the handle waits
        for the end, `stop()` ends it. Raises NotFound or BadRequest.

        >>> run = conn.load("digits", rate=20, seconds=0.5, arrivals="constant", inputs=X)
        >>> run.result()["answers"]
        {'model': 10}
        """
        from ..load import LoadRun
        from ..load.run import CONNECTIONS, FORWARDED_CONNECTIONS

        info = self._management.application(app_name)
        if inputs is None:
            inputs = self._example_inputs(info)
        elif info["input_type"] in SETS:
            inputs = several(info["input_type"], inputs)
        return LoadRun(
            *(app_name, self._url(app_name), inputs),
            rate=rate,
            seconds=seconds,
            arrivals=arrivals,
            objective_ms=info["latency_slo_micros"] / 1000,
            cache=cache,
            connections=FORWARDED_CONNECTIONS if getattr(self.cm, "forwards", False) else CONNECTIONS,
            name=name,
            cluster=self.cm.cluster_name,
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
