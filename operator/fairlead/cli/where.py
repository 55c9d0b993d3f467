"""What a command talks to: a cluster, or this machine. It is always said, on standard error."""

from __future__ import annotations

import asyncio
import functools
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import click

from fairlead import __version__
from fairlead.engine.errors import RefusedError, UnavailableError
from fairlead.engine.runs import NotFoundError
from fairlead.kube.errors import ConfigurationError, KubeError
from fairlead.view.exits import Exit
from fairlead.view.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from fairlead.engine.runs import Runs
    from fairlead.kube.connection import Connection
    from fairlead.kube.runs import KubernetesRuns

P = ParamSpec("P")
R = TypeVar("R")

PLUGIN: Final = "kubectl fairlead"
"""What the program is called where kubectl runs it; it then means kubectl's cluster."""


class CommandError(click.ClickException):
    """A line that says what is wrong; the command was called wrongly, or what it names isn't there."""

    exit_code = Exit.USAGE


class UnansweredError(click.ClickException):
    """A line that says what didn't answer, or what is gone."""

    exit_code = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Where:
    """What the options say."""

    cluster: bool = False
    context: str | None = None
    namespace: str | None = None
    kubeconfig: str | None = None
    everywhere: bool = False
    """All namespaces."""

    @property
    def on_cluster(self) -> bool:
        """Whether a cluster is meant, in so many words."""
        named = self.context is not None or self.namespace is not None or self.kubeconfig is not None
        context = click.get_current_context(silent=True)
        plugin = context is not None and context.find_root().info_name == PLUGIN
        return self.cluster or named or self.everywhere or plugin

    def within(self, namespace: str | None) -> Where:
        """Mean this namespace where none is named."""
        return replace(self, namespace=self.namespace or namespace)


def where_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options that say where, and hand it `where`."""

    @click.option("--cluster", is_flag=True, help="Talk to the cluster of the kubeconfig's current context.")
    @click.option("--context", metavar="NAME", help="Talk to the cluster of this context of the kubeconfig.")
    @click.option("-n", "--namespace", metavar="NAME", help="Talk to a cluster, in this namespace. [the context's]")
    @click.option("--kubeconfig", metavar="FILE", help="Talk to a cluster of this file. [$KUBECONFIG]")
    @functools.wraps(command)
    def wrapped(
        *args: object,
        cluster: bool,
        context: str | None,
        namespace: str | None,
        kubeconfig: str | None,
        **options: object,
    ) -> R:
        where = Where(cluster, context, namespace, kubeconfig, everywhere=bool(options.get("all_namespaces")))
        return command(*args, where=where, **options)  # type: ignore[arg-type]  # click calls by name

    return wrapped


def carry_out(work: Coroutine[object, object, Exit | None]) -> None:
    """Run a command to its end, and exit with its code. What goes wrong is one line."""
    try:
        code = asyncio.run(_worded(work))
    except KeyboardInterrupt:
        code = Exit.CANCELLED
    if code:
        sys.exit(int(code))


async def _worded(work: Coroutine[object, object, Exit | None]) -> Exit | None:
    try:
        return await work
    except (NotFoundError, RefusedError) as error:
        raise CommandError(_harmless(error)) from error
    except UnavailableError as error:
        raise UnansweredError(_harmless(error)) from error
    except KubeError as error:
        raise CommandError(_harmless(error)) from error


def _harmless(error: Exception) -> str:
    """Word an error for a terminal. What a cluster refused may have lines, one a problem."""
    return "\n".join(harmless(line, colours=False) for line in str(error).splitlines())


@asynccontextmanager
async def opened(where: Where, name: str | None = None, *, quietly: bool = False) -> AsyncIterator[Runs]:
    """Open what is meant, and say what that is.

    Without options: this machine where it knows the Workflow called `name` (or, without one, any), else the cluster if
    one is configured, else this machine.
    """
    async with AsyncExitStack() as stack:
        runs = await _chosen(where, name, stack)
        if not quietly:
            click.echo(f"on {runs.where}", err=True)
        yield runs


async def _chosen(where: Where, name: str | None, stack: AsyncExitStack) -> Runs:
    if where.on_cluster:
        return await stack.enter_async_context(cluster_runs(where))
    here = local_runs()
    if here is not None:
        known = [found.name for found in await here.list()]
        if name in known or (name is None and known):
            return here
    try:
        return await stack.enter_async_context(cluster_runs(where))
    except ConfigurationError:
        if here is None:
            raise
        return here


@asynccontextmanager
async def cluster_runs(where: Where) -> AsyncIterator[KubernetesRuns]:
    """Open the cluster. Raises ConfigurationError."""
    from fairlead.kube.runs import open_runs  # noqa: PLC0415  what runs here needs none of it

    connection = connected(where)
    namespace = None if where.everywhere else where.namespace or connection.namespace
    async with open_runs(connection, user_agent=f"fairlead-cli/{__version__}", namespace=namespace) as runs:
        yield runs


def connected(where: Where) -> Connection:
    """Find the cluster. Raises ConfigurationError."""
    from fairlead.kube.connection import connect  # noqa: PLC0415  as above

    return connect(where.context, where.kubeconfig)


def local_runs() -> Runs | None:
    """Give the runs that are recorded on this machine; None while nothing here can run any."""
    try:
        module = import_module("fairlead.local.runs")
    except ModuleNotFoundError:
        return None
    runs: Runs = module.LocalRuns.of_this_machine()
    return runs
