"""SageMaker's and Azure's ports of a whole cluster: started, given a key, and stopped."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from clipperlab import BadRequest, ClipperConnection
from clipperlab.deployers.python import deploy_python_closure

pytestmark = pytest.mark.slow
BODY = b"[[1, 2], [3]]"
JSON = {"content-type": "application/json"}


def post(address: str, path: str) -> Any:
    return httpx2.post(
        f"http://{address}{path}", content=BODY, headers=JSON, trust_env=False, verify=False, timeout=60
    )


def test_ports_open_ask_for_signatures_and_close(cluster: ClipperConnection) -> None:
    cluster.register_application("sum", "doubles", -1, 60_000_000)
    deploy_python_closure(cluster, "adder", 1, "doubles", lambda rows: [float(sum(row)) for row in rows])
    cluster.link_model_to_app("sum", "adder")
    sagemaker = cluster.start_protocol("sagemaker")["rest"]
    azure = cluster.start_protocol("azureml")["rest"]
    path = "/endpoints/sum/invocations"
    try:
        for address, where in ((sagemaker, path), (sagemaker, "/invocations"), (azure, "/score")):
            response = post(address, where)
            assert (response.status_code, response.json()) == (200, [3.0, 3.0])
        assert cluster.start_protocol("sagemaker", key=("lab", "a-long-secret"))["rest"] == sagemaker
        response = post(sagemaker, path)
        assert (response.status_code, response.headers["x-amzn-errortype"]) == (
            403,
            "MissingAuthenticationTokenException",
        )
        with pytest.raises(BadRequest, match="azureml has no signatures"):
            cluster.start_protocol("azureml", key=("lab", "a-long-secret"))
        assert "a-long-secret" not in f"{cluster.protocols()}{cluster.status()}{cluster.events()}"
    finally:
        cluster.stop_protocol("sagemaker")
        cluster.stop_protocol("azureml")
    with pytest.raises(httpx2.ConnectError):
        post(azure, "/score")
