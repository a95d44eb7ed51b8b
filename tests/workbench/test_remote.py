"""What a remote model's deployer may give."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clipperlab import BadRequest
from clipperlab.deployers.remote import deploy_remote

AMAZONS = {"aws_access_key_id": "a-name", "aws_secret_access_key": "very-secret"}


@pytest.mark.parametrize(
    ("protocol", "secret", "words"),
    [
        ("mlflow", AMAZONS, "requests by mlflow are not signed"),
        ("sagemaker", AMAZONS, "region_name where the host does not name it"),
        ("sagemaker-csv", {**AMAZONS, "region_name": "eu-west-1", "X-Key": "c"}, "with nothing besides"),
        ("sagemaker", {"X Key": "very-secret"}, "cannot be the name of a header"),
    ],
)
def test_a_secret_that_cannot_be_is_refused_and_not_quoted(
    protocol: str, secret: dict[str, str], words: str
) -> None:
    at: dict[str, Any] = {"protocol": protocol, "secret": secret}
    with pytest.raises(BadRequest, match=words) as refused:
        deploy_remote(cast(Any, None), "m", 1, "http://localhost:8080/endpoints/m/invocations", **at)
    assert "very-secret" not in str(refused.value)
