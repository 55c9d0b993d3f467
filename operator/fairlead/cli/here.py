"""How workflows run on this machine: the options of `run` and `rerun`, and what they come to."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from fairlead.cli.files import STANDARD_INPUT, UnreadableFileError, listed, read_source, read_text, templates_of
from fairlead.cli.where import CommandError
from fairlead.local.container_engine import AUTO, Kind, NoEngineError, find_engine
from fairlead.local.containers import ContainerRuntime
from fairlead.local.host import HostRuntime
from fairlead.local.session import Settings
from fairlead.local.values import Values
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairlead.local.runtime import Runtime
    from fairlead.syntax.source import Document

P = ParamSpec("P")
R = TypeVar("R")

SHARED: Final = "shared"
"""What `--workspace` is given to work in the current folder itself."""

HOST: Final = "host"
ENGINES: Final = (AUTO, HOST, *(kind.value for kind in Kind))

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


@dataclass(frozen=True, slots=True)
class Here:
    """How jobs run on this machine.

    `folder` is the one that the command was called in, None for the current one; `file` is where the Workflow came
    from, for the templates beside it.
    """

    engine: str = AUTO
    workspace: str | None = None
    parallel: int | None = None
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    folder: str | None = None
    file: str | None = None

    def document(self) -> dict[str, Any]:
        """Give what a rerun goes by: no value of a secret, and the folder whatever the current one is then."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("secrets", "variables")}
        file = None if self.file in (None, STANDARD_INPUT) else str(Path(self.file or "").resolve())
        return {**kept, "folder": str(Path.cwd()), "file": file}

    def over(self, known: Mapping[str, Any]) -> Here:
        """Lay what is said now over what an earlier run went by."""
        return replace(
            self,
            engine=self.engine if self.engine != AUTO else known.get("engine") or AUTO,
            workspace=self.workspace or known.get("workspace"),
            parallel=self.parallel or known.get("parallel"),
            folder=known.get("folder"),
            file=known.get("file"),
        )


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


def settings_of(here: Here, templates: tuple[Mapping[str, Mapping[str, Any]], str]) -> Settings:
    """Give what a run needs. Raises CommandError for what there isn't."""
    return Settings(
        workspace=_workspace(here),
        shared=here.workspace == SHARED,
        parallel=here.parallel or os.cpu_count() or 1,
        values=Values(given(here.secrets, "--secret"), given(here.variables, "--var")),
        templates=templates[0],
        where=templates[1],
    )


def templates_of_file(file: str | None) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Give the templates of a file that a run was started with, as far as it can still be read."""
    if file is None:
        return {}, "in its file"
    try:
        return templates_for(file, read_source(file).documents)
    except UnreadableFileError:
        return {}, f"in {quote(file)}, which can't be read any more"


def templates_for(path: str, documents: Sequence[Document]) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Give the specs of the WorkflowTemplates that a file's Workflow may call, by name, and where they were sought.

    Those of the file itself come before those of its neighbours; a neighbour that can't be read has none.
    """
    found = dict(templates_of(documents))
    if not Path(path).is_file() or not any(_calls(each.value) for each in documents):
        return {name: _spec_of(each.value) for name, each in found.items()}, "in its file"
    for neighbour in listed(str(Path(path).parent)):
        try:
            found = {**templates_of(read_source(neighbour).documents), **found}
        except UnreadableFileError:
            continue
    return {name: _spec_of(each.value) for name, each in found.items()}, f"in {quote(path)} or in a file beside it"


def _calls(resource: object) -> bool:
    """Whether a resource uses a template."""
    spec = _spec_of(resource)
    jobs = spec.get("jobs")
    parts = (spec, *(jobs.values() if isinstance(jobs, dict) else ()))
    return any(isinstance(part, dict) and "uses" in part for part in parts)


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
    base = Path(here.folder or ".").resolve()
    folder = base if here.workspace in (None, SHARED) else (base / here.workspace).resolve()
    if not folder.is_dir():
        raise CommandError(f"--workspace {quote(here.workspace or str(folder))}: there is no such folder")
    return folder
