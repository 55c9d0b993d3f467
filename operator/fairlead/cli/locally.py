"""`run` and `rerun` on this machine: the engine works in this process, for as long as the run takes."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fairlead.cli.checked import check_file, show_errors
from fairlead.cli.here import chosen_runtime, settings_of, templates_for, templates_of_file, variables_of
from fairlead.cli.where import CommandError
from fairlead.local.processes import adopt, end_adopted
from fairlead.local.records import apply, cut_off_record, prune
from fairlead.local.request import RequestError, prepared
from fairlead.local.runs import LocalRuns
from fairlead.local.session import Session, Settings, now
from fairlead.local.state import State, state_home
from fairlead.model.status import WorkflowStatus
from fairlead.plan.runs import RERUN
from fairlead.view.exits import Exit, exit_code
from fairlead.view.follow import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.cli.files import WorkflowFile
    from fairlead.cli.here import Here
    from fairlead.local.runtime import Runtime
    from fairlead.model.ids import RunNumber
    from fairlead.view.view import View


async def run_here(
    workflow: WorkflowFile,
    resource: Mapping[str, Any],
    here: Here,
    view: View,
    *,
    jobs: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> Exit:
    """Record a file's Workflow as its next run, run it and show it. `resource` has its inputs already."""
    checked = check_file(workflow, resource)
    if checked.workflow is None:
        show_errors(checked)
        return Exit.USAGE
    try:
        document, notes = prepared(resource, name=workflow.name, env=variables_of(env_files), jobs=jobs)
    except RequestError as error:
        raise CommandError(error.message) from error
    state = State(state_home(os.environ))
    name = document["metadata"].get("name")
    if name and state.is_owned(name):
        raise CommandError(
            f"{name} runs in another process; wait for it, end it with `fairlead cancel {name}`,"
            " or give this one another name in its file"
        )
    settings = settings_of(here, templates_for(workflow.source.name, workflow.source.documents))
    runtime = await chosen_runtime(here.engine)
    before = _last_run(state, name)
    recorded = apply(state, {**document, "local": here.document()}, now())
    for note in notes:
        view.note(note)
    return await _go(state, recorded["metadata"]["name"], before, runtime, settings, view)


async def rerun_here(name: str, request: str, here: Here, view: View) -> Exit:
    """Run a recorded Workflow again, as it was run before but for what is said now. `request`: see plan.runs.RERUN."""
    state = State(state_home(os.environ))
    merged = here.over((state.read(name) or {}).get("local") or {})
    settings = settings_of(merged, templates_of_file(merged.file))
    runtime = await chosen_runtime(merged.engine)
    await LocalRuns(state).annotate(name, {RERUN: request})
    return await _go(state, name, _last_run(state, name), runtime, settings, view)


def _last_run(state: State, name: str | None) -> RunNumber | None:
    document = state.read(name) if name else None
    return WorkflowStatus.from_json(document.get("status") or {}).run if document else None


async def _go(
    state: State, name: str, after: RunNumber | None, runtime: Runtime, settings: Settings, view: View
) -> Exit:
    session = Session(state, name, runtime, settings, failed=view.note)
    if runtime.trusts:
        # Of container engines nothing is known here: some leave processes behind that outlive a command by design.
        adopt()
    work = asyncio.create_task(session.run())
    shown = asyncio.create_task(follow(LocalRuns(state), name, view, after=after))
    try:
        with _signals(session, work, view):
            await asyncio.wait([work, shown], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                # What went wrong with it says more than that nobody goes on.
                work.result()
            status = await shown
            # It is over, but what worked may still be ending.
            await work
            return exit_code(status)
    except asyncio.CancelledError:
        # What worked was killed, and what is recorded has to say so.
        state.change(name, lambda document: cut_off_record(document, now()))
        return Exit.CANCELLED
    finally:
        for task in (work, shown):
            task.cancel()
        await asyncio.gather(work, shown, return_exceptions=True)
        view.stop()
        if runtime.trusts:
            await asyncio.to_thread(end_adopted, set())
        prune(state, name)


@contextmanager
def _signals(session: Session, work: asyncio.Task[Any], view: View) -> Iterator[None]:
    """Have the first signal cancel the run, and the second end all that works."""
    loop = asyncio.get_running_loop()
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            work.cancel()
            return
        asked = True
        view.note("cancelling: what runs is asked to end; Ctrl-C again kills it")
        session.cancel()

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in wanted:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
