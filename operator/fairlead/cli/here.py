"""`run` and `rerun` on this machine: the engine works in this process, for as long as the run takes."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from fairlead.cli.checked import check_file, show_errors
from fairlead.cli.files import STANDARD_INPUT, UnreadableFileError, listed, read_source, read_text, templates_of
from fairlead.cli.where import CommandError
from fairlead.local.container_engine import AUTO, Kind, NoEngineError, find_engine
from fairlead.local.containers import ContainerRuntime
from fairlead.local.host import HostRuntime
from fairlead.local.processes import adopt, end_adopted
from fairlead.local.records import apply, cut_off, prune
from fairlead.local.request import RequestError, prepared
from fairlead.local.runs import LocalRuns
from fairlead.local.session import Session, Settings, now
from fairlead.local.state import State, state_home
from fairlead.local.values import Values
from fairlead.model.problem import quote
from fairlead.model.status import WorkflowStatus
from fairlead.plan.runs import RERUN
from fairlead.view.exits import Exit, exit_code
from fairlead.view.follow import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fairlead.cli.files import WorkflowFile
    from fairlead.local.runtime import Runtime
    from fairlead.local.state import Json
    from fairlead.model.ids import RunNumber
    from fairlead.syntax.source import Document
    from fairlead.view.view import View

P = ParamSpec("P")
R = TypeVar("R")

SHARED: Final = "shared"
"""What `--workspace` is given to work in the current folder itself."""

HOST: Final = "host"
ENGINES: Final = (AUTO, HOST, *(kind.value for kind in Kind))

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


@dataclass(frozen=True, slots=True)
class Here:
    """How jobs run on this machine. `file` is where the Workflow came from, for the templates beside it."""

    engine: str = AUTO
    workspace: str | None = None
    parallel: int | None = None
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    file: str | None = None

    def document(self) -> dict[str, Any]:
        """Give what a rerun goes by: no value of a secret, and the folder whatever the current one is then."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("secrets", "variables")}
        file = None if self.file in (None, STANDARD_INPUT) else str(Path(self.file or "").resolve())
        return {**kept, "folder": str(Path.cwd()), "file": file}


def here_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options that say how jobs run on this machine, and hand it `here`."""

    @click.option(
        "--engine",
        type=click.Choice(ENGINES),
        help="What runs jobs on this machine; auto: the first container engine that answers, else host: processes.",
    )
    @click.option(
        "--workspace",
        metavar="DIR",
        help=f"The folder that each job gets a copy of; `{SHARED}` has them work in the current one. [the current one]",
    )
    @click.option("--parallel", metavar="N", type=click.IntRange(1), help="Jobs at a time. [one a core]")
    @click.option("--secret", "secrets", metavar="NAME[=V]", multiple=True, help="A Secret's key; V may be in $NAME.")
    @click.option("--var", "variables", metavar="NAME[=V]", multiple=True, help="A ConfigMap's key, likewise.")
    @functools.wraps(command)
    def wrapped(
        *args: object,
        engine: str | None,
        workspace: str | None,
        parallel: int | None,
        secrets: tuple[str, ...],
        variables: tuple[str, ...],
        **options: object,
    ) -> R:
        here = Here(engine or AUTO, workspace, parallel, secrets, variables)
        return command(*args, here=here, **options)  # type: ignore[arg-type]  # click calls by name

    return wrapped


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
    before = _last_run(state, name)
    recorded = apply(state, {**document, "local": here.document()}, now())
    for note in notes:
        view.note(note)
    templates = templates_for(workflow.source.name, workflow.source.documents)
    return await _go(state, recorded["metadata"]["name"], before, here, view, templates)


async def rerun_here(name: str, request: str, here: Here, view: View) -> Exit:
    """Run a recorded Workflow again, as it was run before but for what is said now. `request`: see plan.runs.RERUN."""
    state = State(state_home(os.environ))
    runs = LocalRuns(state)
    await runs.annotate(name, {RERUN: request})
    document = state.read(name) or {}
    known = document.get("local") or {}
    file = known.get("file")
    merged = Here(
        engine=here.engine if here.engine != AUTO else known.get("engine") or AUTO,
        workspace=here.workspace or known.get("workspace"),
        parallel=here.parallel or known.get("parallel"),
        secrets=here.secrets,
        variables=here.variables,
        file=file,
    )
    _go_to(known.get("folder"))
    before = _last_run(state, name)
    return await _go(state, name, before, merged, view, _templates_of(file))


def _go_to(folder: str | None) -> None:
    """Work where the run before was started, if that is still there."""
    with suppress(OSError):
        os.chdir(folder or ".")


def _templates_of(file: str | None) -> tuple[dict[str, Mapping[str, Any]], str]:
    if file is None:
        return {}, "in its file"
    try:
        return templates_for(file, read_source(file).documents)
    except UnreadableFileError:
        return {}, f"in {quote(file)}, which can't be read any more"


def _last_run(state: State, name: str | None) -> RunNumber | None:
    document = state.read(name) if name else None
    return WorkflowStatus.from_json(document.get("status") or {}).run if document else None


async def _go(
    state: State,
    name: str,
    after: RunNumber | None,
    here: Here,
    view: View,
    templates: tuple[Mapping[str, Mapping[str, Any]], str],
) -> Exit:
    runtime = await chosen_runtime(here.engine)
    settings = Settings(
        workspace=_workspace(here),
        shared=here.workspace == SHARED,
        parallel=here.parallel or os.cpu_count() or 1,
        values=Values(given(here.secrets, "--secret"), given(here.variables, "--var")),
        templates=templates[0],
        where=templates[1],
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
            return exit_code(status)
    except asyncio.CancelledError:
        # What worked was killed, and what is recorded has to say so.
        _record_cut_off(state, name)
        return Exit.CANCELLED
    finally:
        for task in (work, shown):
            task.cancel()
        await asyncio.gather(work, shown, return_exceptions=True)
        view.stop()
        await asyncio.to_thread(end_adopted, set())
        prune(state, name)


async def chosen_runtime(engine: str) -> Runtime:
    """Give what `--engine` names, and say what it is. Raises CommandError where it doesn't answer."""
    if engine == HOST:
        click.echo("jobs run as processes of this machine; their images aren't used", err=True)
        return HostRuntime(os.environ)
    try:
        found = await find_engine(engine)
    except NoEngineError as error:
        if engine != AUTO:
            raise CommandError(str(error)) from error
        return await chosen_runtime(HOST)
    click.echo(f"jobs run in containers of {found.kind}", err=True)
    return ContainerRuntime(found)


def templates_for(path: str, documents: Sequence[Document]) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Give the specs of the WorkflowTemplates that a file's Workflow may call, by name, and where they were sought.

    Those of the file itself come before those of its neighbours; a neighbour that can't be read has none.
    """
    found = dict(templates_of(documents))
    if not Path(path).is_file():
        return {name: _spec_of(each.value) for name, each in found.items()}, "in its file"
    for neighbour in listed(str(Path(path).parent)):
        try:
            found = {**templates_of(read_source(neighbour).documents), **found}
        except UnreadableFileError:
            continue
    return {name: _spec_of(each.value) for name, each in found.items()}, f"in {quote(path)} or in a file beside it"


def _spec_of(resource: object) -> Mapping[str, Any]:
    spec = resource.get("spec") if isinstance(resource, dict) else None
    return spec if isinstance(spec, dict) else {}


def given(options: Sequence[str], option: str) -> dict[str, str]:
    """Read NAME=VALUE, or NAME for a variable of the environment. Raises CommandError."""
    found = {}
    for each in options:
        name, sign, value = each.partition("=")
        if not name:
            raise CommandError(f"{option} {quote(each)}: write NAME, or NAME=VALUE")
        if not sign:
            if name not in os.environ:
                raise CommandError(f"{option} {quote(name)}: ${name} isn't set; write {option} {name}=VALUE")
            value = os.environ[name]
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
    if here.workspace is None or here.workspace == SHARED:
        return Path.cwd()
    folder = Path(here.workspace).resolve()
    if not folder.is_dir():
        raise CommandError(f"--workspace {quote(here.workspace)}: there is no such folder")
    return folder


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


def _record_cut_off(state: State, name: str) -> None:
    def change(document: Json) -> Json:
        status = WorkflowStatus.from_json(document.get("status") or {})
        return {**document, "status": cut_off(status, now()).to_json()}

    state.change(name, change)
