"""Keep one shelf of the store like one collection of the cluster: list, then watch, and again after any trouble."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fairlead.kube.client import in_namespace
from fairlead.kube.errors import ApiError, BusyError, ExpiredError, KubeError, pause_after
from fairlead.kube.reduce import version_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.engine.shelf import ItemKey, Shelf
    from fairlead.kube.client import Client

    class _Versioned(Protocol):
        @property
        def version(self) -> int: ...


V = TypeVar("V", bound="_Versioned")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0


class Reflector(Generic[V]):
    """Follows the objects of one kind that a label selector chooses, in one namespace or in all.

    `reduce` gives what is kept of an object, or None where it isn't to be kept. `synced` is set once the collection
    has been read for the first time. `troubled` is told why a list or a watch broke.
    """

    def __init__(
        self,
        client: Client,
        *,
        api: str,
        resource: str,
        namespace: str | None,
        selector: str,
        reduce: Callable[[dict[str, Any]], V | None],
        shelf: Shelf[V],
        troubled: Callable[[str, Exception, float], None],
    ) -> None:
        self._client = client
        self._path = f"{api}{in_namespace(namespace)}/{resource}"
        self._namespace = namespace
        self._resource = resource
        self._selector = selector
        self._reduce = reduce
        self._shelf = shelf
        self._troubled = troubled
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        pause, version = _FIRST_PAUSE, ""
        while True:
            try:
                if not version:
                    version = await self._list()
                began, silent = time.monotonic(), True
                async for kind, document in self._client.watch(self._path, self._resource, version, self._selector):
                    self._take(kind, document)
                    version, pause, silent = document["metadata"]["resourceVersion"], _FIRST_PAUSE, False
                if silent and time.monotonic() - began < _FIRST_PAUSE:
                    # A server, or a proxy, that closes each watch at once must not be asked without end.
                    await asyncio.sleep(_FIRST_PAUSE)
            except ExpiredError:
                version = ""
            except KubeError as error:
                if isinstance(error, ApiError) and not isinstance(error, BusyError):
                    # Whatever the server has against going on from there, it may let us start anew.
                    version = ""
                wait = pause_after(error, pause)
                self._troubled(self._resource, error, wait)
                await asyncio.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def refresh(self) -> None:
        """Read the collection once more, beside the watch. Raises KubeError."""
        await self._list()

    async def _list(self) -> str:
        keys: set[ItemKey] = set()
        version = ""
        async for documents, version in self._client.pages(self._path, self._resource, self._selector):  # noqa: B007
            for document in documents:
                self._take("LISTED", document)
                keys.add(_key(document))
            # Tens of thousands take seconds, in which a Lease would be lost, or a probe fail.
            await asyncio.sleep(0)
        number = int(version) if version.isdecimal() else 0
        self._shelf.keep_only(keys, number, self._namespace)
        self.synced.set()
        return version

    def _take(self, kind: str, document: dict[str, Any]) -> None:
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._shelf.drop(_key(document), version_of(document))
        elif (item := self._reduce(document)) is not None:
            self._shelf.put(_key(document), item)


def _key(document: dict[str, Any]) -> ItemKey:
    metadata = document["metadata"]
    return metadata["namespace"], metadata["name"]
