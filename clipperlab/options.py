"""The options that every way to deploy a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class DeployOptions(TypedDict, total=False):
    """Keyword arguments of `deploy_model` and of all deployers. All may be left out.

    batching
        How batches are formed. "learned" (the default): the largest batch whose predicted 99th percentile
        fits into the time that is left. "aimd": two more after each batch that was quick enough, a tenth less
        after each that was not. "fixed(32)": at most so many. "off": one at a time.
    batch_delay_micros
        How long a batch that is not full may wait for more inputs while a replica is idle; 0 by default.
    hang_after_s
        A replica whose batch runs longer than this, and ten times longer than the objective and than it
        should, is ended, and another one started; 10 by default.
    max_cached_input
        Inputs of more bytes than this are not cached; 16,384 by default. 0 caches none of this version.
    concurrency
        How many batches a replica works on at once, each in a thread, or on one event loop where the function
        is `async def`; 1 by default. For models that wait, for a disk or another service, and not for models
        that compute.
    uses
        The models that it calls, a list: see `deployers.pipeline`.
    stages
        The same models in the order in which they are called, as a list of lists: those that are called at
        once are in one. Each then has its share of the time, by what is predicted for all that come after it.
    make_current
        False stages the version: it runs, answers queries that ask for it, and waits for `set_model_version`.
    rollout
        Shares of the queries, such as [0.05, 0.5, 1]: when the version is ready it is rolled out by these
        steps, as `start_rollout` does, and is not current at once.
    applications
        "all", where several ask for the model's current version: `rollout` is for all of them.
    message
        Why, for the model's history.
    resources
        Limits of each replica: {"cpus": 2, "memory": "512Mi", "gpus": 1, "shared_memory": "1Gi"}, and under
        "devices" others by their Kubernetes names. On Kubernetes "node_selector" and "tolerations" choose
        among nodes. What a container manager cannot obey it refuses, with the reason.
    env
        Variables of its replicas' environment, a dictionary of texts. On a cluster of processes a replica has
        of yours only what programs need, such as PATH and LANG. They are kept with the version, and only
        their names are shown.
    python
        The path of the interpreter that its replicas run on; by default the one that packaged the model.
    wait
        False returns once the version is accepted; `wait_until_ready` waits for it later.
    timeout_s
        How long to wait; 300 by default. It goes on starting after that.

    >>> handle = conn.deploy(bayes, "digits", 3, batching="fixed(32)", make_current=False, message="a try")
    >>> conn.get_model_info("digits", 3)["batching"]
    'fixed(32)'
    """

    batching: str
    batch_delay_micros: int
    hang_after_s: float
    max_cached_input: int
    concurrency: int
    uses: Sequence[str]
    stages: Sequence[str | Sequence[str]]
    make_current: bool
    rollout: Sequence[float]
    applications: Literal["all"]
    message: str
    resources: Mapping[str, Any]
    env: Mapping[str, str]
    python: str
    wait: bool
    timeout_s: float
