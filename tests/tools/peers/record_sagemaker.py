"""Writes tests/golden/sagemaker/boto3.json, with boto3's own client.

Runs in the environment of `make peers`, which has it, and imports nothing of ours. `requests` are what the
client sends for a call. Of the `responses`, which are ours, `read` is what it makes of them.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

GOLDEN = Path(__file__).parents[2] / "golden" / "sagemaker" / "boto3.json"
KEY, SECRET = "laboratory", "a secret of the tests"
ROWS = "[[1.0, 2.0], [3.0]]"
OF_THE_MOMENT = ("amz-sdk-invocation-id", "authorization", "host", "x-amz-date")
"""Headers that are others each time: what differs in these alone stays as it was recorded."""
CALLS: dict[str, dict[str, Any]] = {
    "plain": {"Body": ROWS, "ContentType": "application/json"},
    "without a type": {"Body": ROWS},
    "csv": {"Body": "1,2\n3,4\n", "ContentType": "text/csv", "Accept": "text/csv"},
    "all headers": {
        "Body": ROWS,
        "ContentType": "application/json",
        "Accept": "application/jsonlines",
        "CustomAttributes": "trace=7  with two spaces",
        "TargetVariant": "1",
        "InferenceId": "mine-1",
        "SessionId": "NEW_SESSION",
    },
}


class Stub(BaseHTTPRequestHandler):
    """Keeps what it is asked, and answers what it was told to."""

    asked: dict[str, Any]
    answer: dict[str, Any]

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        body = self.rfile.read(size).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        del headers["user-agent"]  # which tells of the machine
        type(self).asked = {"path": self.path, "headers": headers, "body": body}
        self.send_response(self.answer["status"])
        text = self.answer["body"].encode()
        for name, value in {**self.answer["headers"], "content-length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def read(client: Any, **call: Any) -> dict[str, Any]:
    try:
        found = client.invoke_endpoint(EndpointName="sum", **call)
    except ClientError as error:
        said = {key: value for key, value in error.response.items() if key != "ResponseMetadata"}
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"error": type(error).__name__, "status": status, **said}
    found.pop("ResponseMetadata")
    return {**found, "Body": found["Body"].read().decode()}


def lasting(asked: dict[str, Any] | None) -> dict[str, Any] | None:
    if asked is None:
        return None
    kept = {name: value for name, value in asked["headers"].items() if name not in OF_THE_MOMENT}
    return {**asked, "headers": kept}


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name="eu-west-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}),
    )
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"responses": {}}
    before = golden.get("requests", {})
    golden |= {"key": KEY, "secret": SECRET, "requests": {}}
    Stub.answer = {"status": 200, "headers": {}, "body": "[]"}
    for name, call in CALLS.items():
        read(client, **call)
        asked = {"call": call, **Stub.asked}
        golden["requests"][name] = before[name] if lasting(before.get(name)) == lasting(asked) else asked
    for response in golden["responses"].values():
        Stub.answer = response
        response["read"] = read(client, Body=ROWS)
    GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    server.shutdown()


if __name__ == "__main__":
    main()
