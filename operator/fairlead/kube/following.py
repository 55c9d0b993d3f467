"""Following one object by its name: read once, then watched, and taken up again where that breaks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fairlead.kube.errors import BusyError, ExpiredError, UnreachableError
from fairlead.kube.reduce import version_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.kube.client import Client

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = 60.0
"""Seconds for which a cluster may be lost."""


@dataclass(slots=True)
class _Thread:
    """Where we are: the object's uid, the version to watch from, and since when nothing was heard."""

    uid: str = ""
    version: str = ""
    newest: int = 0
    pause: float = _FIRST_PAUSE
    lost: float | None = None

    def is_new(self, document: dict[str, Any]) -> bool:
        """Take note of a version; a relist and a watch may both tell of it."""
        self.pause, self.lost = _FIRST_PAUSE, None
        before, self.newest = self.newest, max(self.newest, version_of(document))
        return self.newest > before

    async def rest(self, began: float) -> None:
        """Pause where a watch that was begun then has ended at once: a server, or a proxy, may close all of them."""
        if time.monotonic() - began < _FIRST_PAUSE:
            await asyncio.sleep(_FIRST_PAUSE)

    async def wait(self, error: Exception) -> None:
        """Pause after an error; raise it where there was none before that worked, or for too long."""
        now = time.monotonic()
        self.lost = self.lost if self.lost is not None else now
        if not self.uid or now - self.lost > _PATIENCE:
            raise error
        await asyncio.sleep(self.pause)
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)


async def follow_one(client: Client, path: str, resource: str, name: str) -> AsyncIterator[dict[str, Any]]:
    """Give the object at once, and whenever it has changed, until it is gone; nothing where there is none.

    Raises the client's errors: at once before the object was seen, after a minute of trying from then on.
    """
    thread = _Thread()
    while True:
        try:
            if not thread.version:
                documents, thread.version = await client.list(path, resource, name=name)
                if not documents or thread.uid not in ("", documents[0]["metadata"]["uid"]):
                    return
                thread.uid = documents[0]["metadata"]["uid"]
                if thread.is_new(documents[0]):
                    yield documents[0]
            began = time.monotonic()
            async for kind, document in client.watch(path, resource, thread.version, name=name):
                thread.version = document["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    return
                if kind != "BOOKMARK" and thread.is_new(document):
                    yield document
            await thread.rest(began)
        except ExpiredError:
            thread.version = ""
        except (UnreachableError, BusyError) as error:
            await thread.wait(error)
