"""What else models can run on: a Docker engine, Kubernetes, a GPU."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .finding import Finding

KUBERNETES_ANSWER_S = 3


def docker(run: Callable[[list[str]], str] | None = None) -> Finding:
    answer = (run or _run)(["docker", "version", "--format", "{{.Server.Version}}"])
    if not answer:
        return Finding("note", "No Docker engine answers. Clusters of plain processes need none.")
    return Finding("good", f"A Docker engine answers, version {answer}")


def kubernetes() -> Finding:
    """Whether the cluster of the kubeconfig's current context answers, or this pod's where there is none."""
    nobody = "No Kubernetes cluster answers: {}. Clusters of plain processes need none."
    kubeconfig = os.environ.get("KUBECONFIG", "") or str(Path("~/.kube/config").expanduser())
    has_config = any(Path(path).is_file() for path in kubeconfig.split(os.pathsep))
    if not has_config and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return Finding("note", nobody.format("there is no kubeconfig"))
    try:
        from kubernetes import client, config  # late: it takes a second to load, where it is there
    except ModuleNotFoundError:
        return Finding("note", nobody.format("its client is missing, `pip install 'clipperlab[server]'`"))
    settings, context = client.Configuration(), "this pod's own"
    settings.retries = False
    try:
        if has_config:
            config.load_kube_config(kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
            _, current = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
            context = f"of the context {current['name']}"
        else:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        with client.ApiClient(settings) as api:
            answer = client.VersionApi(api).get_code(_request_timeout=KUBERNETES_ANSWER_S)
    except Exception as error:  # of the client, of what it reads and of programs that it runs for a token
        said = " ".join(str(error).split())[:200]
        return Finding("note", nobody.format(said or type(error).__name__))
    return Finding("good", f"A Kubernetes cluster answers, {context}, version {answer.git_version}")


def gpu(run: Callable[[list[str]], str] | None = None) -> Finding:
    answer = (run or _run)(["nvidia-smi", "-L"])
    count = sum(line.startswith("GPU ") for line in answer.splitlines())
    return Finding("note", "No NVIDIA GPU") if not count else Finding("good", f"{count} NVIDIA GPU(s)")


def _run(command: list[str]) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""
