"""python -m digits_app http://127.0.0.1:1337 --data folder"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import uvicorn

from .app import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="digits_app", description="Draw a digit, and see what it is.")
    parser.add_argument("query_url", help="where the cluster answers queries, as in http://127.0.0.1:1337")
    parser.add_argument("--application", default="digits", help="the application to ask")
    parser.add_argument("--data", type=Path, required=True, help="a folder for the users' corrections")
    parser.add_argument("--port", type=int, default=0, help="of this web application; 0 takes a free one")
    given = parser.parse_args()
    app = make_app(given.query_url, given.application, given.data)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", given.port))
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
