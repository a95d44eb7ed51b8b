"""Clusters of containers on a Docker engine, seen from the workbench."""

from __future__ import annotations

from typing import Any

from clipper_container.errors import BadRequest

from .runtime import BroughtUp

REFUSED = {
    "use_centralized_log": "get_clipper_logs() and `clipperlab logs` have the logs of all containers.",
    "fluentd_port": "There is no fluentd: get_clipper_logs() has the logs of all containers.",
    "clipper_rpc_port": "Models meet the query frontends at sockets in a volume: there is no port.",
    "redis_ip": "There is no Redis: management keeps the state in a volume.",
    "redis_port": "There is no Redis: management keeps the state in a volume.",
    "prometheus_port": "Query frontends serve /metrics for a Prometheus of your own.",
    "docker_network": "A cluster has two networks of its own, by its name.",
    "extra_container_kwargs": "resources= on a deploy gives a model's replicas limits and GPUs.",
}


class DockerContainerManager(BroughtUp):
    """A cluster of containers on the Docker engine that the environment names (DOCKER_HOST).

    Its two ports are published at `docker_ip_address`, free ones where these are taken. Everything is found
    by the cluster's name, from any process that has the engine. `clipperlab images build` makes the images;
    with a `registry` the engine pulls those that it lacks from there. Clipper's other arguments are refused
    with the reason. Raises BadRequest.

    >>> place = clipperlab.DockerContainerManager("other", docker_ip_address="0.0.0.0")
    >>> ClipperConnection(place)
    <ClipperConnection to 'other', unconnected>
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        docker_ip_address: str = "127.0.0.1",
        *,
        clipper_query_port: int = 1337,
        clipper_management_port: int = 1338,
        registry: str = "",
        **of_clipper: Any,
    ) -> None:
        for name in of_clipper:
            if name not in REFUSED:
                raise TypeError(f"DockerContainerManager() got an unexpected keyword argument {name!r}")
            raise BadRequest(f"DockerContainerManager() takes no {name}. {REFUSED[name]} Leave it out.")
        super().__init__(
            cluster_name,
            ["docker", "--cluster-name", cluster_name],
            {
                "query_port": clipper_query_port,
                "management_port": clipper_management_port,
                "published_host": "127.0.0.1" if docker_ip_address == "localhost" else docker_ip_address,
                **({"registry": registry} if registry else {}),
            },
            f"`docker logs clipper-{cluster_name}-management` tells more.",
        )
