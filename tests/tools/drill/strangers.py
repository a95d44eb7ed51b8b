"""Clients who mean no good, at the query port without a token, and one with it at management's."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import struct
import threading
import zipfile
from collections import Counter
from contextlib import suppress

from .target import VICTIM, Target, rounds

PREDICT = f"/{VICTIM}/predict"
INFER = f"/v2/models/{VICTIM}/infer"
MIB = 1 << 20
MOST_INPUTS = 20_000


def ask_for_much(target: Target, seconds: float) -> str:
    """The largest requests that are taken: as many inputs as may be, as many bytes of JSON, of tensors."""
    batch = b'{"input_batch": [' + b",".join([b"[1]"] * MOST_INPUTS) + b"]}"
    long = b'{"input": [' + b",".join([b"1.5"] * (MIB // 4 - 100)) + b"]}"
    rows = _tensor([MOST_INPUTS, 1], 8 * MOST_INPUTS)
    wide = _tensor([1, 4 * MIB], 32 * MIB)
    asked = [(PREDICT, batch, ""), (PREDICT, long, ""), (INFER, *rows), (INFER, *wide)]
    return _ask(target, asked, seconds)


def ask_for_too_much(target: Target, seconds: float) -> str:
    batch = b'{"input_batch": [' + b",".join([b"[1]"] * 4_000_000) + b"]}"
    deep = b'{"input": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"
    rows = _tensor([1_000_000, 1], 8_000_000)
    lies = _tensor([1, 1 << 60], 8)
    asked = [(PREDICT, batch, ""), (PREDICT, deep, ""), (INFER, *rows), (INFER, *lies)]
    return _ask(target, asked, seconds)


def _tensor(shape: list[int], size: int) -> tuple[bytes, str]:
    """An Open Inference request with one tensor, and the header that it needs."""
    parameters = {"binary_data_size": size}
    inputs = [{"name": "x", "datatype": "FP64", "shape": shape, "parameters": parameters}]
    head = json.dumps({"inputs": inputs}).encode()
    return head + bytes(size), f"Inference-Header-Content-Length: {len(head)}"


def _ask(target: Target, asked: list[tuple[str, bytes, str]], seconds: float) -> str:
    statuses: Counter[str] = Counter()
    for number in rounds(seconds):
        try:
            statuses[str(target.ask(*asked[number % len(asked)]))] += 1
        except ConnectionError:
            statuses["cut off"] += 1  # while it still sent
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def break_pipelines(target: Target, seconds: float) -> str:
    """Several predictions in one go, and what is no HTTP behind them."""
    body = b'{"input":[1.0]}'
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Cache-Control: no-cache\r\n\r\n"
    query = head.encode() + body
    endings = [b"\0\r\n\r\n", b"GET", b"", b"\xff" * 1000, head.encode(), b"POST / HTTP/9\r\n\r\n"]
    count = 0
    for number in rounds(seconds):
        with target.dial() as client, suppress(OSError):
            client.sendall(query * (2 + number % 19) + endings[number % len(endings)])
            if number % 2:
                client.recv(1)
            count += 1
    return f"{count} pipelines"


def keep_silent(target: Target, seconds: float) -> str:
    """Connections that never say a word, or half of one."""
    clients: list[socket.socket] = []
    for number in rounds(seconds):
        for _ in range(5):
            with suppress(OSError):
                clients.append(target.dial())
                if number % 2:
                    clients[-1].sendall(f"POST {PREDICT} HT".encode())
        for client in clients[:-400]:
            client.close()
        del clients[:-400]
    return f"{len(clients)} connections"


def never_read(target: Target, seconds: float) -> str:
    """Each asks for answers of megabytes, and reads none."""
    inputs = b'{"input_batch": [' + b",".join([b"[1]"] * MOST_INPUTS) + b"]}"
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(inputs)}\r\n\r\n".encode()
    clients: list[socket.socket] = []
    for _ in rounds(seconds, 0.5):
        client = target.dial()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(1.0)
        clients.append(client)
        with suppress(OSError):
            client.sendall((head + inputs) * 3)
    for client in clients:
        client.close()
    return f"{len(clients)} clients"


def scrape(target: Target, seconds: float) -> str:
    """Two who want all metrics again and again, and what else is told without a token."""
    counts: Counter[str] = Counter()

    def look(path: str) -> None:
        for _ in rounds(seconds):
            with target.dial() as client:
                client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                while data := client.recv(1 << 16):
                    counts[path] += len(data)

    lookers = [threading.Thread(target=look, args=(path,)) for path in ("/metrics", "/metrics", "/health")]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    return f"{counts['/metrics'] / MIB:.0f} MiB of metrics"


def upload_bombs(target: Target, seconds: float) -> str:
    """Artifacts whose manifest unpacks to 128 MiB. Each of them is of another digest."""
    statuses: Counter[int] = Counter()
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("manifest.json", "w") as file,
    ):
        for _ in range(128):
            file.write(bytes(MIB))
    for number in rounds(seconds, 0.5):
        bomb = packed.getvalue()[:-2] + struct.pack("<H", 4) + number.to_bytes(4, "little")  # its comment
        digest = hashlib.sha256(bomb).hexdigest()
        target.manage("PUT", f"/artifacts/{digest}", bomb)
        version = {"version": f"bomb-{number}", "input_type": "doubles", "artifact": digest}
        status, _ = target.manage("POST", f"/models/{VICTIM}/versions", version)
        statuses[status] += 1
    return ", ".join(f"{count} x {status}" for status, count in statuses.items())
