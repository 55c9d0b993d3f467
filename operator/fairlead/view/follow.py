"""Shows a run until it is over: one watch on its Workflow, and the logs of what works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from fairlead.engine.errors import RefusedError, UnavailableError
from fairlead.engine.runs import NotFoundError
from fairlead.model.phase import Result
from fairlead.model.problem import quote
from fairlead.view.nodes import is_over, is_seen, nodes
from fairlead.view.view import Source

if TYPE_CHECKING:
    from fairlead.engine.runs import Found, Log, Runs
    from fairlead.model.ids import RunNumber
    from fairlead.model.status import NodeStatus, WorkflowStatus
    from fairlead.view.view import View

T = TypeVar("T")

_TICK: Final = 0.1
_AT_A_TIME: Final = 24
"""Logs that are read at a time; the others wait their turn, so that each is shown whole."""

_QUIET: Final = 5.0
"""Seconds without a word after which the rest of a log isn't waited for."""

_UNSEEN: Final = 5.0
"""Seconds after which it is worth saying that nobody has looked at a Workflow."""


async def follow(
    runs: Runs,
    name: str,
    view: View,
    *,
    after: RunNumber | None = None,
    from_start: bool = True,
    over: Callable[[Found], bool] | None = None,
) -> WorkflowStatus:
    """Show a Workflow's run in a view until it is over, and give its status.

    `after`: a later run than that one is waited for. With `from_start` false, logs of what had ended before aren't
    shown again. `over` says when to stop, where that isn't the run's end.

    Raises NotFoundError where there is no such Workflow (any more), UnavailableError and RefusedError.
    """
    following = _Following(runs, view, from_start=from_start)
    helpers = [asyncio.create_task(_tick(view)), asyncio.create_task(following.hint(name))]
    try:
        async with iterated(runs.follow(name)) as changes:
            async for found in changes:
                if not _is_awaited(found, after):
                    continue
                following.take(found)
                if is_over(found.record.resource.status) or (over is not None and over(found)):
                    await following.finish()
                    view.end(found)
                    return found.record.resource.status
        raise NotFoundError(f"the Workflow {quote(name)} was deleted")
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        try:
            await following.stop()
        finally:
            view.stop()


def _is_awaited(found: Found, after: RunNumber | None) -> bool:
    run = found.record.resource.status.run or 0
    return is_seen(found) and (after is None or run > after)


class _Following:
    """The readers of logs, one for each attempt at a node."""

    def __init__(self, runs: Runs, view: View, *, from_start: bool) -> None:
        self._runs = runs
        self._view = view
        self._from_start = from_start
        self._room = asyncio.Semaphore(_AT_A_TIME)
        self._begun: set[str] = set()
        self._seen = asyncio.Event()
        self._heard = 0.0
        self.readers: set[asyncio.Task[None]] = set()

    def take(self, found: Found) -> None:
        """Show how it stands, and read what is there to be read."""
        status = found.record.resource.status
        was_over = not self._seen.is_set() and not self._from_start
        self._seen.set()
        for shown in nodes(status, found.record.spec):
            log = shown.log
            if log is None or shown.kept or log.job_name in self._begun:
                continue
            if self._view.wants(shown, was_over=was_over and shown.state.phase.ended):
                source = Source(
                    shown.run, shown.node, log.attempt, shown.title, labels(shown.state), shown.state.started_at
                )
                self._begun.add(log.job_name)
                self._view.opened(source)
                self.readers.add(asyncio.create_task(self._read(found, source, log)))
            elif shown.state.phase.ended:
                self._begun.add(log.job_name)
        self._view.changed(found)

    async def finish(self) -> None:
        """Wait for the ends of the logs, as long as there is something to be heard."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while left := {task for task in self.readers if not task.done()}:
            quiet = self._heard + _QUIET - loop.time()
            if quiet <= 0:
                break
            await asyncio.wait(left, timeout=quiet, return_when=asyncio.FIRST_COMPLETED)
        await self.stop()

    async def stop(self) -> None:
        """Stop reading, and raise what went wrong in it that isn't the world's fault."""
        for task in self.readers:
            task.cancel()
        ends = await asyncio.gather(*self.readers, return_exceptions=True)
        self.readers.clear()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def hint(self, name: str) -> None:
        """Say so where nobody looks at the Workflow."""
        try:
            await asyncio.wait_for(self._seen.wait(), _UNSEEN)
        except TimeoutError:
            self._view.waits(name)

    async def _read(self, found: Found, source: Source, log: Log) -> None:
        lost: str | None = "its log was not read to its end"
        try:
            async with self._room, iterated(self._runs.read(found, log, follow=True)) as pieces:
                async for piece in pieces:
                    self._heard = asyncio.get_running_loop().time()
                    self._view.wrote(source, piece)
            lost = None
        except (NotFoundError, RefusedError, UnavailableError) as error:
            lost = str(error)
        finally:
            self._heard = asyncio.get_running_loop().time()
            self._view.closed(source, lost)


def labels(state: NodeStatus) -> tuple[str, ...]:
    """Name the steps of a node that ran, in their order; nothing while that isn't recorded, or can't be told."""
    found = tuple(step.name for step in state.steps if step.result not in (None, Result.SKIPPED))
    return () if any("${{" in name for name in found) else found


async def _tick(view: View) -> None:
    while True:
        await asyncio.sleep(_TICK)
        view.tick()


@asynccontextmanager
async def iterated(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """End what is iterated over only in part, while its loop still runs."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
