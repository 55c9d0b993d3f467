"""What is left of attempts whose process was killed: it couldn't clean up, so the next one does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fairlead.local import workspace
from fairlead.local.runtime import Attempt, StartError
from fairlead.plan.actions import JobRequest

if TYPE_CHECKING:
    from fairlead.local.runtime import Runtime
    from fairlead.local.state import State

_POLL: Final = 0.02


async def sweep(state: State, runtime: Runtime, *, own: str | None = None) -> None:
    """End and delete it all, of the Workflow that this process owns and of those that nobody does; logs stay."""
    for name in state.names():
        while any(state.jobs(name, working=True)):
            with state.sweeping(name) as alone:
                if alone and (name == own or not state.is_owned(name)):
                    await _sweep(state, runtime, name)
                if alone or name != own:
                    break
            # Who owns it waits until no attempt of the one before is left.
            await asyncio.sleep(_POLL)


async def _sweep(state: State, runtime: Runtime, name: str) -> None:
    for job in [document["metadata"]["name"] for document in state.jobs(name, working=True)]:
        folder = state.job_folder(name, job)
        if state.works_in(name, job) != runtime.name:
            # Only the engine that started it can tell what is left.
            continue
        attempt = Attempt(job, folder, folder / "workspace", JobRequest("", (), {}, 0), "")
        with suppress(StartError, OSError):
            await runtime.clear(attempt)
        await asyncio.to_thread(workspace.remove, attempt.home)
        await asyncio.to_thread(workspace.remove, attempt.workspace)
        (folder / "works").unlink(missing_ok=True)
