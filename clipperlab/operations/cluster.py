"""The cluster as a whole: started, found again and stopped; its addresses, events and logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest, ClipperException, ClusterError

from ..display.events import Events
from ..files import writing
from ..names import check_origins
from ..places.addresses import Addresses
from .attached import Attached
from .refusals import refuse_start_arguments

MAX_FRONTENDS = 64
_PORTS = ("port", "grpc_port")


class Cluster(Attached):
    """Operations on the whole cluster."""

    def start_clipper(
        self,
        *,
        cache_size: int = 33_554_432,
        num_frontend_replicas: int = 1,
        max_inputs: int = 20_000,
        max_json: int = 1_048_576,
        cors_origins: Sequence[str] = (),
        protocols: Sequence[str] | Mapping[str, Mapping[str, int]] = (),
        fresh: bool = False,
        exist_ok: bool = False,
        **of_clipper: Any,
    ) -> None:
        """Start the cluster and attach to it. It finds the applications and models of its last run again.

        `cache_size` is that of the prediction cache, in bytes, in each query frontend; 0 switches it off.
        `num_frontend_replicas` query frontends (at most 64) share the query port. A request has `max_inputs`
        inputs and `max_json` bytes of JSON at most. `cors_origins` are those of web pages that may ask, such
        as `["https://example.com"]`; `["*"]` are all, and none may otherwise. `protocols` are on, besides
        those of its last run: names, which get free ports, or by name the ports that `start_protocol`
        takes, such as `{"tensorflow-serving": {"port": 8501, "grpc_port": 8500}, "azureml": {}}`. `fresh`
        first ends and removes what an earlier run left. Where the cluster runs already it is attached to as
        it is with `exist_ok`.
        Raises BadRequest (also for Clipper's arguments for images and timeouts, saying what there is
        instead), NotFound for a protocol that there is not, or ClusterError where a port that is named is
        taken, and where the cluster runs already otherwise.

        >>> other = ClipperConnection("other")
        >>> other.start_clipper(num_frontend_replicas=2, cache_size=0)
        >>> len(other.status()["frontends"])
        2
        >>> other.stop_all(purge=True)
        """
        refuse_start_arguments(of_clipper)
        if cache_size < 0:
            raise BadRequest(f"cache_size is in bytes, and cannot be {cache_size}. 0 switches the cache off.")
        if not 1 <= num_frontend_replicas <= MAX_FRONTENDS:
            raise BadRequest(
                f"num_frontend_replicas must be from 1 to {MAX_FRONTENDS}, not {num_frontend_replicas}."
            )
        if max_inputs < 1 or max_json < 1:
            raise BadRequest(f"max_inputs and max_json are at least 1, not {max_inputs} and {max_json}.")
        settings: dict[str, int | str] = {
            "cache_size": cache_size,
            "num_frontends": num_frontend_replicas,
            "max_inputs": max_inputs,
            "max_json": max_json,
            "cors_origins": ",".join(check_origins(cors_origins)),
            **({"protocols": _written(protocols)} if protocols else {}),
        }
        if not self.cm.up(fresh=fresh, settings=settings) and not exist_ok:
            raise ClusterError(
                f"Cluster {self.cm.cluster_name!r} is already running: connect() attaches to it, "
                "start_clipper(exist_ok=True) starts it only where it is not, and start_clipper(fresh=True) "
                "replaces it and forgets what was deployed."
            )
        self._attach()

    def connect(self) -> None:
        """Attach to a cluster that was started, by any process; start its management again if it is dead.

        Raises ClusterError where the cluster was never started, or is stopped.

        >>> again = ClipperConnection("mine")
        >>> again.connect()
        >>> again.get_all_apps()
        ['digits']
        """
        self._attach()
        try:
            self._management.cluster()
        except ClipperException:
            # Silent, or somebody else who got its port after a reboot: the manager knows by more than that.
            self.cm.up(fresh=False)
            self._attach()

    def stop_all(self, graceful: bool = True, *, purge: bool = False) -> None:
        """End every process of the cluster, attached or not, and detach.

        The next `start_clipper` finds its applications and models again, unless `purge` removes them.
        Without `graceful` the processes are killed, with the queries that they have.

        >>> conn.stop_all()
        >>> conn.start_clipper()
        >>> conn.get_all_models()
        ['bayes:1', 'digits:1', 'digits:2']
        """
        self._attached = None
        self.cm.down(purge=purge, graceful=graceful)

    def status(self) -> dict[str, Any]:
        """What runs: addresses, query frontends, counts, and the last 20 events.

        >>> [(frontend["id"], frontend["state"]) for frontend in conn.status()["frontends"]]
        [('0', 'serving')]
        """
        return Addresses(self.cm, self._record).cluster(self._management.cluster())

    def get_query_addr(self) -> str:
        """Where applications answer, "host:port".

        >>> conn.get_query_addr()
        '127.0.0.1:...'
        """
        return self._record.query

    def get_management_addr(self) -> str:
        """Where the management API answers, "host:port".

        >>> conn.get_management_addr()
        '127.0.0.1:...'
        """
        return self._record.management

    def get_metric_addr(self) -> str:
        """Where /metrics answers, "host:port": the first query frontend's own address.

        `status()["frontends"]` has those of all, and `get_metrics` adds them up. Raises ClusterError where
        none serves at the moment.

        >>> conn.get_metric_addr()
        '127.0.0.1:...'
        """
        addresses = [f["metrics"] for f in self._management.cluster()["frontends"] if f["metrics"]]
        if not addresses:
            raise ClusterError("No query frontend serves at the moment. status() tells what runs.")
        return str(addresses[0])

    def events(self, after: int | None = None, *, wait_s: float = 0) -> Events:
        """The last 100 things that happened in the cluster, the oldest first.

        With `after`, the first 100 after the event of that id; where there are none, waits up to `wait_s`
        seconds (at most 30) for one. Ten thousand are kept.

        >>> last = conn.events()[-1]["id"]
        >>> conn.unlink_model_from_app("digits", "bayes")
        >>> [event["text"] for event in conn.events(after=last)]
        [...'Unlinked model bayes from application digits.'...]
        """
        return Events(self._management.events(after, wait_s=wait_s))

    def log(self, name: str, after: int = 0) -> tuple[str, int]:
        """One process's log from a position on, and the position to go on from.

        Names are "query-0" and "<model>.<version>.<replica>". Raises NotFound.

        >>> text, position = conn.log("query-0")
        >>> more, position = conn.log("query-0", position)
        """
        return self._management.log(name, after)

    def get_clipper_logs(self, logging_dir: str | Path = "clipper_logs/") -> list[str]:
        """Write the log of every process to a file of its own in `logging_dir`; return the files' paths.

        Raises BadRequest where they cannot be written.

        >>> from pathlib import Path
        >>> "query-0.log" in [Path(path).name for path in conn.get_clipper_logs("logs")]
        True
        """
        logs = self._management.logs()
        folder = Path(logging_dir).absolute()
        paths = []
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for process, text in sorted(logs.items()):
                path = folder / f"{process.replace('/', '_')}.log"
                path.write_text(text, encoding="utf-8", errors="replace")
                paths.append(str(path))
        return paths


def _written(protocols: Sequence[str] | Mapping[str, Mapping[str, int]]) -> str:
    """As the runtime reads them: names with commas, each with its ports after colons, where it has any.

    Raises BadRequest.
    """
    if isinstance(protocols, str):
        raise BadRequest(f"protocols is a list of names: [{protocols!r}].")
    if not isinstance(protocols, Mapping):
        return ",".join(protocols)
    for name, ports in protocols.items():
        wrong = {word: port for word, port in ports.items() if word not in _PORTS or type(port) is not int}
        if wrong:
            raise BadRequest(f"protocols: {name} may have a port and a grpc_port, numbers, and not {wrong}.")
    return ",".join(
        ":".join([name, *(str(ports.get(word, "")) for word in _PORTS)]) if ports else name
        for name, ports in protocols.items()
    )
