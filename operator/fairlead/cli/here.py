"""What the commands need to run a workflow on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fairlead.cli.files import UnreadableFileError, listed, read_source, read_text, templates_of
from fairlead.engine.errors import EngineError
from fairlead.engine.runs import NotFoundError
from fairlead.local.host import HostRuntime
from fairlead.local.processes import adopt, end_adopted
from fairlead.local.records import cut_off, prune
from fairlead.local.runs import LocalRuns
from fairlead.local.session import Session, Settings, now
from fairlead.local.state import State, state_home
from fairlead.local.values import Values
from fairlead.model.problem import quote
from fairlead.model.status import WorkflowStatus
from fairlead.view.follow import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from fairlead.local.runtime import Runtime
    from fairlead.local.state import Json
    from fairlead.model.ids import RunNumber
    from fairlead.view.view import View

SHARED: Final = "shared"
"""What `--workspace` is called with to work in the current folder itself."""

ENGINES: Final = ("auto", "host", "docker", "podman", "nerdctl")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Here:
    """How jobs run on this machine: the options of `run` and `rerun`."""

    engine: str = "auto"
    workspace: str | None = None
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    parallel: int | None = None


def this_state() -> State:
    """Give the state folder of the user."""
    return State(state_home(os.environ))


def these_runs() -> LocalRuns:
    """Give the runs of this machine."""
    return LocalRuns(this_state())


async def run_here(
    name: str, after: RunNumber | None, here: Here, view: View, templates: Mapping[str, Mapping[str, Any]], where: str
) -> WorkflowStatus:
    """Run a recorded Workflow and show it. Ctrl-C cancels, a second one kills.

    `after`: the run before the one that is awaited. Raises click's exceptions with words for the user.
    """
    state = this_state()
    runtime = await chosen_runtime(here.engine, view)
    source = _workspace(here)
    settings = Settings(
        workspace=source,
        shared=here.workspace == SHARED,
        parallel=here.parallel or os.cpu_count() or 1,
        values=Values(given(here.secrets, "--secret"), given(here.variables, "--var")),
        templates=templates,
        where=where,
    )
    session = Session(state, name, runtime, settings, failed=view.note)
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
            return status
    except asyncio.CancelledError:
        # The second signal: what worked was killed, and what is recorded has to say so.
        _record_cut_off(state, name)
        raise click.exceptions.Exit(130) from None
    except (EngineError, NotFoundError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        for task in (work, shown):
            task.cancel()
        await asyncio.gather(work, shown, return_exceptions=True)
        view.stop()
        await asyncio.to_thread(end_adopted, set())
        prune(state, name)


async def chosen_runtime(engine: str, view: View) -> Runtime:
    """Give what `--engine` names."""
    del engine, view
    return HostRuntime(os.environ)


def templates_for(path: str, documents: Sequence[Any]) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Give the specs of the WorkflowTemplates that a file's Workflow may call, by name, and where they were sought.

    Those of the file itself come before those of its neighbours; a neighbour that can't be read has none.
    """
    found = dict(templates_of(documents))
    if path != "-":
        for neighbour in listed(str(Path(path).parent)):
            try:
                found = {**templates_of(read_source(neighbour).documents), **found}
            except UnreadableFileError:
                continue
    specs = {name: _spec_of(document.value) for name, document in found.items()}
    return specs, f"in {quote(path)} or in the files beside it"


def _spec_of(resource: object) -> Mapping[str, Any]:
    spec = resource.get("spec") if isinstance(resource, dict) else None
    return spec if isinstance(spec, dict) else {}


def given(options: Sequence[str], option: str) -> dict[str, str]:
    """Read NAME=VALUE, or NAME for a variable of the environment. Raises click.UsageError."""
    found = {}
    for each in options:
        name, sign, value = each.partition("=")
        if not name:
            raise click.UsageError(f"{option} {quote(each)}: write NAME, or NAME=VALUE")
        if not sign:
            try:
                value = os.environ[name]
            except KeyError:
                said = "isn't in the environment"
                raise click.UsageError(f"{option} {quote(name)}: {said}; write {option} NAME=VALUE") from None
        found[name] = value
    return found


def variables_of(paths: Sequence[str]) -> dict[str, str]:
    """Read files with a line NAME=VALUE for each variable, as docker takes them; quotes around a value go.

    Raises UnreadableFileError.
    """
    found: dict[str, str] = {}
    for path in paths:
        source = read_text(path)
        for number, line in enumerate(source.text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            read = _LINE.fullmatch(line)
            if read is None:
                raise UnreadableFileError(source.name, f"line {number} is not NAME=VALUE")
            value = read[2].strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[read[1]] = value
    return found


def _workspace(here: Here) -> Path:
    if here.workspace in (None, SHARED):
        return Path.cwd()
    folder = Path(here.workspace or ".").resolve()
    if not folder.is_dir():
        raise click.UsageError(f"--workspace {quote(str(here.workspace))}: there is no such folder")
    return folder


@contextmanager
def _signals(session: Session, work: asyncio.Task[Any], view: View) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            work.cancel()
            return
        asked = True
        view.note("cancelling: what runs is asked to end; once more to kill it")
        session.cancel()

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in wanted:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)


def _record_cut_off(state: State, name: str) -> None:
    def change(document: Json) -> Json:
        status = WorkflowStatus.from_json(document.get("status") or {})
        return {**document, "status": cut_off(status, now()).to_json()}

    state.change(name, change)
