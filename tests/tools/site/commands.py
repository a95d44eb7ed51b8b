"""The page of the command line, of what `--help` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from clipperlab.cli.commands import app


def page() -> str:
    head = (
        "# The command line\n\n"
        "`clipperlab --help` lists the commands, each with an example in its help. With `--json` an answer "
        "is for scripts. `--on docker` and `--on kubernetes`, before the command, say what the cluster runs "
        "on; `CLIPPERLAB_ON` and `CLIPPERLAB_CLUSTER` say it for a shell. A command that fails says why in a "
        "sentence, with exit code 1. `--install-completion` has your shell complete commands, and names.\n"
    )
    return "\n".join([head, *_commands(typer.main.get_command(app), "clipperlab")])


def _commands(group: Any, name: str) -> Iterator[str]:
    for of, each in group.commands.items():
        whole = f"{name} {of}"
        if hasattr(each, "commands"):
            yield from _commands(each, whole)
        else:
            yield _command(each, whole)


def _command(command: Any, name: str) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([name, *(_argument(p) for p in arguments), "[options]"])
    said = command.help.replace("\n", " ")
    parts = [f"## `{name}`\n", said, f"\n```console\n$ {usage}\n```\n"]
    options = [p for p in command.params if "--help" not in p.opts and (p.help or p not in arguments)]
    if options:
        parts.append("| option | what | by default |\n|---|---|---|")
        parts += [_row(p) for p in options]
    if command.epilog:
        parts.append(f"\n{command.epilog.replace('Example: ', 'Example: `')}`\n")
    return "\n".join(parts)


def _argument(parameter: Any) -> str:
    name = parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = _argument(parameter) if is_argument else ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = "" if default in (None, False, "", ()) or callable(default) else f"`{default}`"
    return f"| `{names}` | {_cell(parameter.help or '')} | {'required' if parameter.required else shown} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
