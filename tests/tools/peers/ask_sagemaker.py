"""boto3's own client: what it reads, as JSON. Runs where boto3 is.

`python ask_sagemaker.py 127.0.0.1:8080 KEY SECRET`
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROWS = {"Body": "[[1.0, 2.0], [3.0, 4.0]]", "ContentType": "application/json"}
ALL = {"TargetVariant": "1", "InferenceId": "mine", "SessionId": "NEW_SESSION", "CustomAttributes": "a=1"}


def main(address: str, key: str, secret: str) -> None:
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://{address}",
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    calls: dict[str, dict[str, Any]] = {
        "plain": {"EndpointName": "sum", **ROWS},
        "all headers": {"EndpointName": "sum", **ROWS, **ALL},
        "csv": {"EndpointName": "sum", "Body": "1,2\n3,4\n", "ContentType": "text/csv", "Accept": "text/csv"},
        "no model": {"EndpointName": "nobody", **ROWS},
        "no such variant": {"EndpointName": "sum", **ROWS, "TargetVariant": "9"},
        "no such endpoint": {"EndpointName": "nope", **ROWS},
        "a bad body": {"EndpointName": "sum", **ROWS, "Body": '[["x"]]'},
    }
    print(json.dumps({name: said(client, call) for name, call in calls.items()}))  # noqa: T201


def said(client: Any, call: dict[str, Any]) -> list[Any]:
    """The body, the variant, and why outputs are default ones; or the error, its code and its status."""
    try:
        found = client.invoke_endpoint(**call)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return [type(error).__name__, error.response["Error"]["Code"], status]
    if "SessionId" in call:
        assert "Expires=" in found["NewSessionId"]
        assert found["CustomAttributes"] == call["CustomAttributes"]
    default = found["ResponseMetadata"]["HTTPHeaders"].get("x-default-answer")
    return [found["Body"].read().decode(), found.get("InvokedProductionVariant"), default]


if __name__ == "__main__":
    main(*sys.argv[1:])
