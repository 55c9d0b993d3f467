"""What lies between processes and the API server: requests that are late, lost or refused, and watches that lag."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.kube.client import JSON, WATCH_SECONDS, Client
from fairlead.kube.errors import ApiError, ExpiredError, KubeError, UnreachableError, error_for
from tests.simulation.server import Request, read_path

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable
    from random import Random

    from tests.simulation.schedule import Process, Schedule
    from tests.simulation.server import ApiServer, Follower, Json

CLIENT_TIMEOUT = 30.0
"""Seconds after which the client gives a request up."""

_BOOKMARK_SECONDS = 60.0


class Fate(Enum):
    """What becomes of a request."""

    FINE = auto()
    SLOW = auto()
    UNSENT = auto()
    UNANSWERED = auto()
    LATE = auto()
    BUSY = auto()
    BROKEN = auto()
    BROKEN_AFTER = auto()
    CONFLICT = auto()
    CONFLICT_AFTER = auto()
    SENDER_DIES = auto()
    SENDER_FREEZES = auto()


_BAD: dict[Fate, int] = {
    Fate.SLOW: 6,
    Fate.UNSENT: 3,
    Fate.UNANSWERED: 3,
    Fate.LATE: 4,
    Fate.BUSY: 2,
    Fate.BROKEN: 1,
    Fate.BROKEN_AFTER: 1,
    Fate.CONFLICT: 1,
    Fate.CONFLICT_AFTER: 1,
}
"""How often each befalls a request, of those that something befalls."""


@dataclass(slots=True)
class Weather:
    """How bad it is. `trouble`: the part of requests that something befalls; `lateness`: the longest, in seconds.

    `deadly`: how often what befalls a request befalls its sender.
    `cut`: how long a watch lasts, on average. `lag`: seconds by which each watch of a process is behind, by resource.
    """

    trouble: float = 0.0
    lateness: float = 60.0
    deadly: int = 1
    cut: float = 1e9
    repeated: float = 0.0
    lag: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(slots=True)
class Network:
    """Carries requests. `told` gets a line for each that something befalls; `befalls` does what befalls its sender.

    `late` counts late requests that are still on their way.
    """

    schedule: Schedule
    server: ApiServer
    dice: Random
    told: Callable[[str], None]
    befalls: Callable[[Process, Fate], None] = lambda _process, _fate: None
    weather: Weather = field(default_factory=Weather)
    late: int = 0
    requests: int = 0
    writes: int = 0
    troubles: int = 0
    streams: list[Stream] = field(default_factory=list)

    # Requests

    def send(self, process: Process, request: Request) -> asyncio.Future[Json]:
        """Send a request; the answer arrives where the process can take it up."""
        self.requests += 1
        self.writes += request.writes
        waiting: asyncio.Future[Json] = process.create_future()
        fate = self._fate(request)
        if fate is not Fate.FINE:
            self.troubles += 1
            self.told(f"{request.process} {_short(request)} is {fate.name}")
        flight = _Flight(self, process, request, waiting, fate)
        if fate is Fate.UNSENT:
            flight.give_up(self.dice.choice((0.01, 0.5, CLIENT_TIMEOUT)))
            return waiting
        delay = self._latency()
        match fate:
            case Fate.SLOW:
                delay = self.dice.uniform(0.2, 5.0)
            case Fate.LATE:
                delay = self.dice.uniform(0.1, self.weather.lateness)
                flight.give_up(min(CLIENT_TIMEOUT, delay * self.dice.random()))
            case Fate.SENDER_DIES | Fate.SENDER_FREEZES:
                delay = self.dice.uniform(0.1, self.weather.lateness)
                process.call_soon(self.befalls, process, fate)
            case _:
                pass
        flight.late = fate in (Fate.LATE, Fate.SENDER_DIES, Fate.SENDER_FREEZES)
        self.late += flight.late
        self.schedule.after(delay, flight.land)
        return waiting

    def _fate(self, request: Request) -> Fate:
        if self.dice.random() >= self.weather.trouble:
            return Fate.FINE
        weights = {**_BAD, Fate.SENDER_DIES: self.weather.deadly, Fate.SENDER_FREEZES: self.weather.deadly}
        fate = self.dice.choices(list(weights), list(weights.values()))[0]
        if fate in (Fate.CONFLICT, Fate.CONFLICT_AFTER) and request.verb not in ("PATCH", "PUT"):
            return Fate.FINE
        return Fate.FINE if fate in (Fate.SENDER_DIES, Fate.SENDER_FREEZES) and not request.writes else fate

    def _latency(self) -> float:
        return self.dice.uniform(0.001, 0.03)

    # Watches

    def open(self, process: Process, path: str, version: str) -> Stream:
        """Open a watch. Raises ExpiredError, and UnreachableError."""
        if self.dice.random() < self.weather.trouble:
            raise UnreachableError("connection refused")
        stream = Stream(self, process, read_path(path).place.resource)
        stream.follower = self.server.follow(path, int(version), stream.hear)
        self.streams.append(stream)
        self.schedule.after(WATCH_SECONDS, partial(stream.end, None))
        self.schedule.after(_BOOKMARK_SECONDS, stream.bookmark)
        if self.weather.cut < WATCH_SECONDS:
            self.schedule.after(self.dice.expovariate(1 / self.weather.cut), stream.cut)
        return stream

    def cut_all(self) -> None:
        """Break every watch."""
        for stream in tuple(self.streams):
            stream.cut()


@dataclass(slots=True)
class _Flight:
    """A request on its way."""

    network: Network
    process: Process
    request: Request
    waiting: asyncio.Future[Json]
    fate: Fate
    late: bool = False
    redrawn: bool = False

    def give_up(self, seconds: float) -> None:
        self.network.schedule.after(seconds, self._given_up)

    def _given_up(self) -> None:
        self.request.given_up = True
        self._answer(UnreachableError("connection reset"))

    def land(self) -> None:
        """Be carried out, if the network still does what the sender wanted: what a dead one sent may, or never."""
        network, request = self.network, self.request
        if self.process.dead and not self.redrawn and self.fate is not Fate.SENDER_DIES:
            self.redrawn = True
            chance = network.dice.random()
            if chance < 0.3:
                network.late -= self.late
                return
            if chance < 0.6:
                network.late += not self.late
                self.late = True
                network.schedule.after(network.dice.uniform(0.0, network.weather.lateness), self.land)
                return
        network.late -= self.late
        answer: Json | KubeError
        try:
            answer = self._carried_out()
        except ApiError as error:
            answer = error
        if self.fate is Fate.UNANSWERED:
            self.give_up(network.dice.choice((0.01, 0.5, CLIENT_TIMEOUT)))
        elif not request.given_up:
            network.schedule.after(network._latency(), partial(self._answer, answer))  # noqa: SLF001  a part of it

    def _carried_out(self) -> Json | KubeError:
        match self.fate:
            case Fate.BUSY:
                seconds = float(self.network.dice.randint(1, 4))
                return error_for(429, "TooManyRequests", "too many requests", seconds)
            case Fate.BROKEN:
                return error_for(500, "InternalError", "etcd has no leader", None)
            case Fate.CONFLICT:
                return error_for(409, "Conflict", "try again", None)
            case _:
                pass
        document = self.network.server.handle(self.request)
        match self.fate:
            case Fate.BROKEN_AFTER:
                return error_for(504, "Timeout", "etcd has timed out", None)
            case Fate.CONFLICT_AFTER:
                return error_for(409, "Conflict", "has been modified", None)
            case _:
                return document

    def _answer(self, answer: Json | KubeError) -> None:
        """Have the process take it up, as soon as it runs."""
        self.process.call_soon(self._take_up, answer)

    def _take_up(self, answer: Json | KubeError) -> None:
        if self.waiting.done():
            return
        if isinstance(answer, KubeError):
            self.waiting.set_exception(answer)
        else:
            self.waiting.set_result(answer)


class Stream:
    """One watch, as its process reads it."""

    def __init__(self, network: Network, process: Process, resource: str) -> None:
        self.resource = resource
        self.follower: Follower | None = None
        self._network = network
        self._process = process
        self._events: deque[tuple[str, Json] | KubeError | None] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._last = 0.0
        self._ended = False

    def hear(self, kind: str, document: Json) -> None:
        """Bring an event to the process, in its turn; sometimes bring it again later."""
        self._deliver((kind, document), 0.0)
        weather = self._network.weather
        if weather.repeated and self._network.dice.random() < weather.repeated:
            self._network.schedule.after(self._network.dice.uniform(0.0, 10.0), partial(self._again, kind, document))

    def bookmark(self) -> None:
        """Tell how far it is."""
        if not self._ended:
            version = str(self._network.server.version)
            self._deliver(("BOOKMARK", {"metadata": {"resourceVersion": version}}), 0.0)
            self._network.schedule.after(_BOOKMARK_SECONDS, self.bookmark)

    def cut(self) -> None:
        """Break the connection; what hasn't been read yet is lost."""
        if not self._ended:
            self._events.clear()
            self.end(UnreachableError("connection reset"))

    def end(self, error: KubeError | None) -> None:
        """End it, in good order or with an error."""
        if not self._ended:
            self.close()
            self._process.call_soon(self._put, error)

    def close(self) -> None:
        """Hear nothing any more."""
        self._ended = True
        if self.follower is not None:
            self._network.server.unfollow(self.follower)
        self._network.streams = [each for each in self._network.streams if each is not self]

    async def next(self) -> tuple[str, Json] | None:
        """Wait for the next event; None at the end. Raises what has broken it."""
        while not self._events:
            self._waiting = self._process.create_future()
            await self._waiting
        event = self._events.popleft()
        if isinstance(event, KubeError):
            raise event
        return event

    def _again(self, kind: str, document: Json) -> None:
        if not self._ended:
            self._deliver((kind, document), 0.0)

    def _deliver(self, event: tuple[str, Json], later: float) -> None:
        network = self._network
        lag = network.weather.lag.get((self._process.name, self.resource), 0.0)
        at = max(self._last, network.schedule.now + network._latency() + lag + later)  # noqa: SLF001  a part of it
        self._last = at
        network.schedule.after(at - network.schedule.now, partial(self._arrive, event))

    def _arrive(self, event: tuple[str, Json]) -> None:
        if not self._ended:
            self._process.call_soon(self._put, event)

    def _put(self, event: tuple[str, Json] | KubeError | None) -> None:
        self._events.append(event)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class SimulatedClient(Client):
    """The client's public methods over the simulated network: there is no connection, so nothing else of it is used."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network = network
        self._process = process

    async def request(
        self,
        verb: str,
        path: str,
        resource: str,
        body: bytes | None = None,
        content_type: str = JSON,
        *,
        metadata_only: bool = False,
    ) -> dict[str, Any]:
        """Send one request."""
        del resource, content_type, metadata_only
        self._hold()
        request = Request(self._process.name, verb, path, body, self._network.schedule.now)
        return await self._network.send(self._process, request)

    async def pages(
        self, path: str, resource: str, selector: str = "", *, name: str = ""
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Read a collection: there is never more than a page of it."""
        found = await self.request("GET", f"{path}?{_chosen(selector, name)}", resource)
        yield found["items"], found["metadata"]["resourceVersion"]

    async def text(self, path: str, resource: str, most: int) -> str:
        """Read a log: there is nothing in any."""
        del most
        await self.request("GET", path.removesuffix("/log").partition("/log?")[0], resource)
        return ""

    async def watch(
        self, path: str, resource: str, version: str, selector: str = "", *, name: str = ""
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Follow a collection."""
        self._hold()
        try:
            stream = self._network.open(self._process, f"{path}?{_chosen(selector, name)}", version)
        except ExpiredError:
            self._network.told(f"{self._process.name} has to list {resource} anew")
            raise
        try:
            while (event := await stream.next()) is not None:
                yield event
        finally:
            stream.close()

    def _hold(self) -> None:
        """Let nothing of a process take effect that is being cleaned up."""
        if self._process.buried:
            raise UnreachableError("the simulation is over")


def _chosen(selector: str, name: str) -> str:
    return f"labelSelector={selector}&fieldSelector=" + (f"metadata.name%3D{name}" if name else "")


def _short(request: Request) -> str:
    target = read_path(request.path)
    return f"{request.verb} {'/'.join(target.place)}{'/' + target.subresource if target.subresource else ''}"
