"""An API server in memory, which answers each request in one moment: objects, versions, preconditions, history.

Documents are never changed, but replaced, so they can be handed out as they are.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote

import orjson

from fairlead.kube.errors import ApiError, error_for
from tests.kube.apiserver import apply_patch
from tests.selectors import Wanted, read, selects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json: TypeAlias = dict[str, Any]


class Place(NamedTuple):
    """Where an object stands. `resource` is the plural; that is enough to tell the kinds apart here."""

    resource: str
    namespace: str
    name: str


@dataclass(slots=True)
class Request:
    """What a process asks, and when it did. `given_up`: it doesn't wait for the answer any more."""

    process: str
    verb: str
    path: str
    body: bytes | None
    sent_at: float
    given_up: bool = False

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.verb != "GET"


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names."""

    place: Place
    subresource: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One accepted write. `request` is None where the cluster or a person did it; `after` is None once it is gone."""

    kind: str
    place: Place
    before: Json | None
    after: Json | None
    version: int
    request: Request | None


@dataclass(slots=True)
class Follower:
    """Who hears of a collection's changes."""

    resource: str
    namespace: str
    name: str
    labels: Wanted
    tell: Callable[[str, Json], None]

    def wants(self, place: Place, document: Json) -> bool:
        """Whether an object is in the collection."""
        return (
            place.resource == self.resource
            and self.namespace in ("", place.namespace)
            and self.name in ("", place.name)
            and selects(self.labels, document)
        )


@dataclass(slots=True)
class ApiServer:
    """The server. `wall` tells the time of day, to the second; `past` is the oldest version to watch from.

    `heard` is told of each accepted write. `lingering`: whether a deleted Job stays for a while, as one with a
    finalizer does, and how it is answered.
    """

    wall: Callable[[], str]
    version: int = 100
    past: int = 0
    objects: dict[Place, Json] = field(default_factory=dict)
    heard: list[Callable[[Change], None]] = field(default_factory=list)
    lingering: Callable[[Place], bool] = lambda _: False
    _history: dict[str, list[tuple[int, str, Place, Json]]] = field(default_factory=dict)
    _followers: list[Follower] = field(default_factory=list)
    _uids: int = 0

    # What processes ask

    def handle(self, request: Request) -> Json:
        """Answer a request. Raises ApiError."""
        target = read_path(request.path)
        body = orjson.loads(request.body) if request.body is not None else {}
        match request.verb, target.place.name:
            case "GET", "":
                return self._list(target)
            case "GET", _:
                return self._find(target.place)
            case "POST", _:
                return self._post(target.place, body, request)
            case "DELETE", _:
                return self._delete(target.place, body, request)
            case "PUT" | "PATCH", _:
                return self._change(target, body, request)
            case _:
                raise error_for(405, "MethodNotAllowed", f"{request.verb} is not for {request.path}", None)

    def follow(self, path: str, version: int, tell: Callable[[str, Json], None]) -> Follower:
        """Tell somebody what has changed since a version, and from then on. Raises ExpiredError."""
        target = read_path(path)
        if version < self.past:
            raise error_for(410, "Expired", f"too old resource version: {version}", None)
        name, labels = _chosen(target)
        follower = Follower(target.place.resource, target.place.namespace, name, labels, tell)
        history = self._history.get(target.place.resource, [])
        for _, kind, place, document in history[bisect_right(history, version, key=lambda each: each[0]) :]:
            if follower.wants(place, document):
                tell(kind, document)
        self._followers.append(follower)
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Tell somebody nothing any more."""
        self._followers = [each for each in self._followers if each is not follower]

    def forget_the_past(self) -> None:
        """Know nothing of earlier versions any more, as after a compaction."""
        self.past = self.version

    # What the cluster and people do

    def every(self, resource: str) -> list[tuple[Place, Json]]:
        """Give all objects of a kind."""
        return [(place, document) for place, document in self.objects.items() if place.resource == resource]

    def find(self, resource: str, namespace: str, name: str) -> Json | None:
        """Look one up."""
        return self.objects.get(Place(resource, namespace, name))

    def put(self, place: Place, document: Json) -> Json:
        """Make an object, or replace it."""
        known = self.objects.get(place)
        if known is None:
            document = self._born(place, document)
        return self._store("ADDED" if known is None else "MODIFIED", place, document, None)

    def remove(self, place: Place, request: Request | None = None) -> None:
        """Let an object be gone."""
        if place in self.objects:
            self._store("DELETED", place, self.objects[place], request)

    # How

    def _find(self, place: Place) -> Json:
        known = self.objects.get(place)
        if known is None:
            raise error_for(404, "NotFound", f'{place.resource} "{place.name}" not found', None)
        return known

    def _list(self, target: Target) -> Json:
        name, labels = _chosen(target)
        chosen = Follower(target.place.resource, target.place.namespace, name, labels, lambda _kind, _document: None)
        found = [document for place, document in self.objects.items() if chosen.wants(place, document)]
        return {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": found}

    def _post(self, collection: Place, body: Json, request: Request) -> Json:
        place = collection._replace(name=body["metadata"]["name"])
        if place in self.objects:
            raise error_for(409, "AlreadyExists", f'{place.resource} "{place.name}" already exists', None)
        return self._store("ADDED", place, self._born(place, body), request)

    def _delete(self, place: Place, options: Json, request: Request) -> Json:
        known = self._find(place)
        _hold_to(known, options.get("preconditions") or {})
        waits = place.resource == "jobs" and options.get("propagationPolicy") == "Foreground"
        if place.resource == "pods" or waits or self.lingering(place):
            return self.mark_deleted(place, request)
        self.remove(place, request)
        return {"kind": "Status", "status": "Success", "metadata": {}}

    def mark_deleted(self, place: Place, request: Request | None = None) -> Json:
        """Let an object be on its way out."""
        known = self.objects[place]
        if "deletionTimestamp" in known["metadata"]:
            return known
        leaving = {**known, "metadata": {**known["metadata"], "deletionTimestamp": self.wall()}}
        return self._store("MODIFIED", place, leaving, request)

    def _change(self, target: Target, body: Json, request: Request) -> Json:
        known = self._find(target.place)
        _hold_to(known, body.get("metadata") or {})
        whole = body if request.verb == "PUT" else apply_patch(known, body)
        if target.subresource == "status":
            changed = {**known, "status": whole.get("status") or {}}
        else:
            kept = {"status": known["status"]} if "status" in known and target.place.resource != "leases" else {}
            given = {name: whole["metadata"].get(name) for name in ("labels", "annotations")}
            metadata = {name: value for name, value in {**known["metadata"], **given}.items() if value is not None}
            if whole.get("spec") != known.get("spec"):
                metadata["generation"] = known["metadata"]["generation"] + 1
            changed = {**whole, **kept, "metadata": metadata}
        # What changes nothing gets no version either.
        return known if changed == known else self._store("MODIFIED", target.place, changed, request)

    def _born(self, place: Place, body: Json) -> Json:
        self._uids += 1
        given = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
        metadata = {
            **given,
            "name": place.name,
            "namespace": place.namespace,
            "uid": f"uid-{self._uids}",
            "generation": 1,
            "creationTimestamp": self.wall(),
        }
        made = {**body, "metadata": metadata}
        if place.resource == "workflows":
            made.pop("status", None)
        return made

    def _store(self, kind: str, place: Place, document: Json, request: Request | None) -> Json:
        self.version += 1
        before = self.objects.get(place)
        made = {**document, "metadata": {**document["metadata"], "resourceVersion": str(self.version)}}
        if kind == "DELETED":
            del self.objects[place]
        else:
            self.objects[place] = made
        if place.resource != "events":
            self._history.setdefault(place.resource, []).append((self.version, kind, place, made))
        change = Change(kind, place, before, None if kind == "DELETED" else made, self.version, request)
        for hear in self.heard:
            hear(change)
        for follower in tuple(self._followers):
            if follower.wants(place, made):
                follower.tell(kind, made)
        return made

    def owned_by(self, uid: str) -> Iterator[Place]:
        """Give what an object owns."""
        for place, document in tuple(self.objects.items()):
            if any(each["uid"] == uid for each in document["metadata"].get("ownerReferences") or ()):
                yield place


@lru_cache(maxsize=4096)
def read_path(path: str) -> Target:
    """Read what a path names: /api/v1 or /apis/GROUP/VERSION, then [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]."""
    path, _, query = path.partition("?")
    parts = path.strip("/").split("/")
    rest = parts[2 if parts[0] == "api" else 3 :]
    namespace = ""
    if rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    return Target(Place(resource, namespace, unquote(name)), subresource, asked)


def _chosen(target: Target) -> tuple[str, Wanted]:
    """Read which name and which labels are asked for."""
    name = target.query.get("fieldSelector", "").removeprefix("metadata.name=")
    return name, read(target.query.get("labelSelector", ""))


def _hold_to(known: Json, wanted: Mapping[str, Any]) -> None:
    """Raise ConflictError where an object isn't what a request is on condition of."""
    metadata = known["metadata"]
    if any(wanted.get(name) not in (None, metadata[name]) for name in ("resourceVersion", "uid")):
        raise _conflict(metadata["name"])


def _conflict(name: str) -> ApiError:
    return error_for(409, "Conflict", f"{name} has been modified", None)
