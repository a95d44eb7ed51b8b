"""Protocols with ports of their own: which are on, and where."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence

import msgspec

from clipper_container.errors import BadRequest, ClusterError, NotFound

from ...changes import Changes
from ...places import Ports
from ...protocols import KINDS, ProtocolSpec, Wish, check, check_ports, wishes_of
from ..frontends import Frontends
from ..state import State
from .publisher import Publisher

OPEN_S = 20.0
_KEY = "protocols"
_GOOD_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_GOOD_SECRET = re.compile(r"[\x21-\x7e]{8,256}")


def of(state: State) -> list[ProtocolSpec]:
    """Those that are on."""
    return msgspec.json.decode(state.get(_KEY) or "[]", type=list[ProtocolSpec])


class Protocols:
    """Starts and stops them. `ports` are the place's."""

    def __init__(
        self, state: State, ports: Ports, frontends: Frontends, changes: Changes, publisher: Publisher
    ) -> None:
        self._state = state
        self._ports = ports
        self._frontends = frontends
        self._changes = changes
        self._publisher = publisher
        self._changing = asyncio.Lock()

    async def begin(self, wishes: str) -> list[str]:
        """When management begins: those of last time, each at its port where that can be, and the wishes, as
        `wishes_of` reads them. Returns a sentence for each port that could not be had any more. Raises
        BadRequest or NotFound for a wish that cannot be, or ClusterError.
        """
        before = of(self._state)
        wished = {wish.name: wish for wish in wishes_of(wishes)}
        kept: list[ProtocolSpec] = []
        moved: list[str] = []
        for spec in before:
            try:
                rest, grpc = (self._ports.again(port) if port else 0 for port in (spec.rest, spec.grpc))
            except BadRequest as error:
                self._publisher.announce("protocol", f"The protocol {spec.name} is off now. {error}")
            else:
                found = msgspec.structs.replace(spec, rest=rest, grpc=grpc)
                if not self._is_at(found, wished.get(spec.name, Wish(spec.name))):
                    continue
                kept.append(found)
                moved += [
                    f"{spec.name} is at {self._ports.published(now)} now, and no more at the port {then}: "
                    "another program may have that, and clients that still ask there ask that program."
                    for then, now in ((spec.rest, rest), (spec.grpc, grpc))
                    if then != now
                ]
        for wish in wished.values():
            if all(spec.name != wish.name for spec in kept):
                spec = self._spec(wish)
                known = next((each for each in before if each.name == wish.name), spec)
                kept.append(msgspec.structs.replace(spec, key=known.key, secret=known.secret))
        self._keep(kept)
        if before or kept:
            await self._open(kept)
        return moved

    def all(self) -> list[ProtocolSpec]:
        """Those that are on."""
        return of(self._state)

    def published(self, port: int) -> str | None:
        return self._ports.published(port) if port else None

    def trouble(self, name: str) -> str | None:
        """Why it does not serve, in the words of a query frontend; "" where it does, None: not yet."""
        said = [report.protocols.get(name) for report in self._frontends.live()]
        if any(said):
            return next(text for text in said if text)
        return "" if said and all(text == "" for text in said) else None

    async def start(
        self, name: str, rest: int | None, grpc: int | None, key: tuple[str, str] | None = None
    ) -> ProtocolSpec:
        """Have it on, at these ports or at free ones; return when every query frontend serves it.

        Requests are signed with the `key`, its name and its secret, from now on where it is on already.

        Raises BadRequest, NotFound, or ClusterError where a frontend cannot serve it, and it is off then.
        """
        async with self._changing:
            return await self._start(name, rest, grpc, key)

    async def _start(
        self, name: str, rest: int | None, grpc: int | None, key: tuple[str, str] | None
    ) -> ProtocolSpec:
        on = of(self._state)
        for spec in on:
            if spec.name == name:
                if not self._is_at(spec, Wish(name, rest, grpc)):
                    where = " and ".join(self._where(spec))
                    raise BadRequest(f"{name} is on already, at {where}. stop_protocol({name!r}) ends that.")
                if key is None or key == (spec.key, spec.secret):
                    return spec
                keyed = _with_key(spec, *key)
                self._keep([keyed if each is spec else each for each in on])
                await self._publisher.acknowledged()
                self._publisher.announce("protocol", f"{name} has another key.", protocol=name)
                return keyed
        spec = self._spec(Wish(name, rest, grpc))
        if key is not None:
            spec = _with_key(spec, *key)
        for port in filter(None, (spec.rest, spec.grpc)):
            if any(port in (each.rest, each.grpc) for each in on):
                raise BadRequest(f"The port {port} is that of another protocol. Name another one.")
        await self._open([*on, spec])
        self._keep([*on, spec])
        await self._publisher.acknowledged()
        await self._changes.wait_for(lambda: self.trouble(name) is not None, OPEN_S)
        trouble = self.trouble(name)
        if trouble != "":
            await self._take_back(name)
            said = trouble or f"No query frontend said within {OPEN_S:.0f} s that it serves it."
            raise ClusterError(f"{name} could not be started, and is off. {said}")
        where = " and ".join(self._where(spec))
        unsigned = ""
        if KINDS[name].has_signatures and key is None:
            unsigned = (
                " It has no key: signatures are not looked at where this machine alone reaches it, and "
                "elsewhere all requests are refused."
            )
        self._publisher.announce("protocol", f"{name} is on, at {where}.{unsigned}", protocol=name)
        return spec

    async def stop(self, name: str) -> None:
        """Have it off. What is under way is answered. Raises BadRequest, NotFound."""
        check(name)
        async with self._changing:
            await self._stop(name)

    async def _stop(self, name: str) -> None:
        on = of(self._state)
        if all(spec.name != name for spec in on):
            raise NotFound(f"{name} is not on. start_protocol({name!r}) starts it.")
        await self._take_back(name)
        self._publisher.announce("protocol", f"{name} is off.", protocol=name)
        await self._changes.wait_for(lambda: not self._is_served(name), OPEN_S)

    async def _take_back(self, name: str) -> None:
        self._keep([spec for spec in of(self._state) if spec.name != name])
        await self._publisher.acknowledged()
        await self._open(of(self._state))

    async def _open(self, specs: Sequence[ProtocolSpec]) -> None:
        ways = [(port, what) for spec in specs for port, what in ((spec.rest, "http"), (spec.grpc, "grpc"))]
        await self._ports.open({port: what for port, what in ways if port})

    def _is_served(self, name: str) -> bool:
        return any(name in report.protocols for report in self._frontends.live())

    def _spec(self, wish: Wish) -> ProtocolSpec:
        check_ports(wish)
        kind = KINDS[wish.name]
        rest, grpc = (
            0 if documented is None else self._ports.give(documented, port)
            for documented, port in ((kind.rest, wish.rest), (kind.grpc, wish.grpc))
        )
        return ProtocolSpec(wish.name, rest=rest, grpc=grpc)

    def _is_at(self, spec: ProtocolSpec, wish: Wish) -> bool:
        """Whether clients find it where it is wished to be."""
        return all(
            port is None or (own != 0 and self._ports.published(own).endswith(f":{port}"))
            for own, port in ((spec.rest, wish.rest), (spec.grpc, wish.grpc))
        )

    def _where(self, spec: ProtocolSpec) -> Iterator[str]:
        for what, port in (("REST", spec.rest), ("gRPC", spec.grpc)):
            if port:
                yield f"{self._ports.published(port)} ({what})"

    def _keep(self, specs: list[ProtocolSpec]) -> None:
        text = msgspec.json.encode(specs).decode()
        if text != (self._state.get(_KEY) or "[]"):
            self._state.set_for_frontends(_KEY, text)


def _with_key(spec: ProtocolSpec, key: str, secret: str) -> ProtocolSpec:
    if not KINDS[spec.name].has_signatures:
        raise BadRequest(f"{spec.name} has no signatures: leave out key.")
    if not _GOOD_KEY.fullmatch(key):
        raise BadRequest("The name of a key has from 1 to 128 letters, digits, and . _ -.")
    if not _GOOD_SECRET.fullmatch(secret):
        raise BadRequest("The secret of a key has from 8 to 256 visible ASCII letters.")
    return msgspec.structs.replace(spec, key=key, secret=secret)
