"""What saves typing in a notebook: `%load_ext clipperlab`, then `%clipper status` and `%%deploy`."""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import shlex
from typing import Any, NoReturn

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from clipper_container.counting import NEXT
from clipper_container.errors import BadRequest, ClipperException, NotFound

from .cli.words import MAGIC, in_a_cell
from .connection import ClipperConnection

CLUSTER = "CLIPPERLAB_CLUSTER"


class _Parser(argparse.ArgumentParser):
    """Raises BadRequest where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise BadRequest(f"{message}. {self.format_usage().strip()}")


@magics_class
class ClipperMagics(Magics):
    """`%clipper` and `%%deploy`, for the connection of the notebook."""

    @line_magic
    def clipper(self, line: str) -> None:
        """What the command line does: `%clipper status`, `%clipper versions digits`, `%clipper why 123`."""
        from .cli.app import told
        from .cli.commands import app

        try:
            arguments = _split(line) or ["status"]
        except BadRequest as error:
            _say(error)
            return
        before = os.environ.get(CLUSTER)
        connections = self._connections()
        if len(connections) == 1:
            os.environ[CLUSTER] = connections[0].cm.cluster_name
        try:
            app(arguments, standalone_mode=False, prog_name=MAGIC)
        except ClipperException as error:
            _say(told(str(error)))
        except SystemExit:
            pass  # it has said why
        except Exception as error:
            if not hasattr(error, "format_message"):  # click's: an argument that there is not
                raise
            _say(error.format_message())
        finally:
            if before is None:
                os.environ.pop(CLUSTER, None)
            else:
                os.environ[CLUSTER] = before

    @cell_magic
    def deploy(self, line: str, cell: str) -> None:
        """Run the cell, and deploy the function `predict` that it defines.

        %%deploy digits --version 2 --type doubles --staged --replicas 2 --message "why"

        `--version` is by default "next", the number after the largest, `--type` that of the versions before,
        or doubles.
        """
        parser = _Parser(prog="%%deploy", add_help=False)
        parser.add_argument("model")
        parser.add_argument("--version", default=NEXT)
        parser.add_argument("--type")
        parser.add_argument("--function", default="predict")
        parser.add_argument("--staged", action="store_true")
        parser.add_argument("--replicas", type=int, default=1)
        parser.add_argument("--message", default="")
        try:
            options = parser.parse_args(_split(line))
            conn = self._connection()
        except ClipperException as error:
            _say(in_a_cell(str(error)))
            return
        before = self._shell.user_ns.get(options.function)
        if not self._shell.run_cell(cell).success:
            return  # IPython has shown why
        try:
            now = self._shell.user_ns.get(options.function)
            if now is before and not _binds(self._shell.transform_cell(cell), options.function):
                raise _no_function(options.function)  # it is an earlier cell's
            self._deploy(conn, options)
        except ClipperException as error:
            _say(in_a_cell(str(error)))

    def _deploy(self, conn: ClipperConnection, options: argparse.Namespace) -> None:
        function = self._shell.user_ns.get(options.function)
        if not inspect.isfunction(function):
            raise _no_function(options.function)
        handle = conn.deploy(
            *(function, options.model, options.version, options.type),
            num_replicas=options.replicas,
            make_current=not options.staged,
            message=options.message,
        )
        _say(handle.deployed)
        if handle.deployed is not None and handle.deployed.state == "not current":
            _say(f"%clipper set-version {options.model} {handle.deployed.version} makes it current.")

    @property
    def _shell(self) -> Any:
        return self.shell

    def _connections(self) -> list[ClipperConnection]:
        found = {
            id(value): value
            for name, value in self._shell.user_ns.items()
            if isinstance(value, ClipperConnection) and not name.startswith("_")
        }
        return list(found.values())

    def _connection(self) -> ClipperConnection:
        connections = self._connections()
        if len(connections) == 1:
            return connections[0]
        named: Any = self._shell.user_ns.get("conn")
        if isinstance(named, ClipperConnection):
            return named
        if connections:
            raise NotFound("There are several connections in this notebook: call the one that is meant conn.")
        raise NotFound(
            "There is no connection in this notebook. Make one first: conn = ClipperConnection(); "
            "conn.connect()"
        )


def _split(line: str) -> list[str]:
    """The words of a line, as a shell has them. Raises BadRequest."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadRequest(
            f"{line!r} cannot be read: {error}. Quote text with ' or \", on both sides."
        ) from None


def _no_function(name: str) -> BadRequest:
    return BadRequest(
        f"The cell defines no function {name!r}. Define one that takes a list of inputs and returns a list "
        "as long, or name yours with --function."
    )


def _binds(source: str, name: str) -> bool:
    """Whether the code gives the name a value: defines it, assigns it or imports it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) in (name, "*"):
            return True
    return False


def _say(what: object) -> None:
    print(what)  # noqa: T201 - a magic's answer is what it prints


def load(shell: InteractiveShell) -> None:
    shell.register_magics(ClipperMagics)
