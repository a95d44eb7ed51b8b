"""The page of the wire: the module's own, and its messages."""

from __future__ import annotations

import inspect

import msgspec

from clipper_container import wire

HEAD = """# The wire

For those who write a container in another language. It may change until 1.0, and is refused with a sentence
where the two ends have different versions of it. This is version {version}.

"""


def page() -> str:
    messages = [
        name
        for name, member in vars(wire).items()
        if inspect.isclass(member)
        and issubclass(member, msgspec.Struct)
        and member.__module__ == wire.__name__
    ]
    said = inspect.getdoc(wire) or ""
    parts = [HEAD.format(version=wire.WIRE_VERSION) + said, "\n## Messages\n"]
    parts += [f"```{{eval-rst}}\n.. autoclass:: clipper_container.wire.{name}\n```\n" for name in messages]
    return "\n".join(parts)
