"""Protobuf messages that are described in Python, for the protocols over gRPC.

Each family of them has a pool of its own: what a client's package registers under the same names in the same
process, as in a test, is no matter here. A description is

    {"Colour": {"RED": 0, "BLUE": 1},                     an enum
     "Paint": {"name": (1, "string"),                     a field: its number and its type
               "coats": (2, "[Coat]"),                    repeated
               "parts": (3, "{string: double}"),          a map
               "gloss": (4, "bool", "finish"),            one of those that have the third in common
               "Coat": {"colour": (1, "Colour")}}}        a message within the message

A type that is no scalar is found by its name as in a .proto file: within the message, then around it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .structure import Raw

Described = Mapping[str, Any]
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in (
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"),
    )
}


class Method(NamedTuple):
    """A method of a service, with the classes of what it takes and gives, and which of them are streams."""

    takes: Any
    gives: Any
    takes_stream: bool = False
    gives_stream: bool = False


class Protos:
    """A family of messages. `methods` are those of its services, by path as gRPC has it."""

    def __init__(self, *modules: ModuleType) -> None:
        """With what generated modules describe, such as google.protobuf.any_pb2."""
        self.methods: dict[str, Method] = {}
        self.raw: dict[str, Raw] = {}
        """By path, the fields of what a method takes that are raw contents."""
        self.services: list[str] = []
        self.pool = descriptor_pool.DescriptorPool()
        self._files: list[str] = []
        for module in modules:
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
            self._files.append(module.DESCRIPTOR.name)

    def add(
        self,
        package: str,
        described: Described,
        services: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
    ) -> SimpleNamespace:
        """Classes of these messages and enums. They may use what was added before.

        `services` have for each method the names of what it takes and gives, after "stream " for streams.
        """
        name = f"{package.replace('.', '/')}.proto"
        file = descriptor_pb2.FileDescriptorProto(
            name=name, package=package, syntax="proto3", dependency=self._files
        )
        for each, what in described.items():
            if _is_enum(what):
                _describe_enum(file.enum_type.add(name=each), what)
            else:
                _describe(file.message_type.add(name=each), what)
        for service, methods in (services or {}).items():
            of_service = file.service.add(name=service)
            for method, (takes, gives) in methods.items():
                of_service.method.add(
                    name=method,
                    input_type=takes.removeprefix("stream "),
                    output_type=gives.removeprefix("stream "),
                    client_streaming=takes.startswith("stream "),
                    server_streaming=gives.startswith("stream "),
                )
        self.pool.AddSerializedFile(file.SerializeToString())
        self._files.append(name)
        for service in services or {}:
            self._know(f"{package}.{service}")
        return SimpleNamespace(**{each: self._named(package, each, what) for each, what in described.items()})

    def files_of(self, symbol: str) -> list[bytes]:
        """The file that describes this message, enum or service, and after it those that it needs.

        As gRPC's reflection wants them. Raises KeyError where there is no such symbol.
        """
        found: dict[str, bytes] = {}
        wanted = [self.pool.FindFileContainingSymbol(symbol)]
        while wanted:
            file = wanted.pop()
            if file.name not in found:
                found[file.name] = file.serialized_pb
                wanted += file.dependencies
        return list(found.values())

    def _named(self, package: str, name: str, what: Described) -> Any:
        if _is_enum(what):
            return enum.IntEnum(name, dict(what))
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"{package}.{name}"))

    def _know(self, service: str) -> None:
        self.services.append(service)
        for method in self.pool.FindServiceByName(service).methods:
            takes, gives = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
            streams = method.client_streaming, method.server_streaming
            self.methods[f"/{service}/{method.name}"] = Method(takes, gives, *streams)


def _is_enum(what: Described) -> bool:
    return bool(what) and all(isinstance(value, int) for value in what.values())


def _describe_enum(described: Any, values: Described) -> None:
    described.value.extend(
        descriptor_pb2.EnumValueDescriptorProto(name=name, number=number) for name, number in values.items()
    )


def _describe(message: Any, what: Described) -> None:
    ones: dict[str, int] = {}
    for name, given in what.items():
        if not isinstance(given, tuple):
            if _is_enum(given):
                _describe_enum(message.enum_type.add(name=name), given)
            else:
                _describe(message.nested_type.add(name=name), given)
            continue
        number, kind, *one = given
        field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        if kind.startswith("{"):
            key, _, value = kind.strip("{}").partition(": ")
            entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            _describe(entry, {"key": (1, key), "value": (2, value)})
            entry.options.map_entry = True
            kind = f"[{entry.name}]"
        if kind.startswith("["):
            field.label = _Field.LABEL_REPEATED
            kind = kind.strip("[]")
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type_name = kind
        for group in one:
            field.oneof_index = ones.setdefault(group, len(ones))
    for group in ones:
        message.oneof_decl.add(name=group)
