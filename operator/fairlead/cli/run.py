"""`fairlead run`: run a workflow file, on this machine or on a cluster, and show it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from fairlead.cli.files import read_workflow
from fairlead.cli.here import Here, here_options
from fairlead.cli.inputs import with_inputs
from fairlead.cli.locally import run_here
from fairlead.cli.showing import ask_for_end, show, view_for, view_option
from fairlead.cli.where import CommandError, carry_out, cluster_runs, where_options
from fairlead.engine.runs import NotFoundError
from fairlead.model.ids import RunNumber
from fairlead.model.problem import quote
from fairlead.plan.runs import RERUN
from fairlead.view.exits import Exit
from fairlead.view.follow import iterated
from fairlead.view.nodes import is_idle, is_seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.cli.where import Where
    from fairlead.engine.runs import Found, Runs


_UNSEEN: Final = 30
"""Seconds for which an operator is given time to look at an edit."""


@click.command("run", short_help="Run a workflow file, and show it.")
@click.argument("file")
@where_options
@click.option("-i", "--input", "inputs", metavar="NAME=VALUE", multiple=True, help="Set an input; may be repeated.")
@click.option("--job", "jobs", metavar="JOB", multiple=True, help="Run only this job, and what it needs.")
@click.option("--env-file", "env_files", metavar="FILE", multiple=True, help="Lines NAME=VALUE for the workflow's env.")
@here_options
@view_option
def run_command(
    file: str,
    *,
    where: Where,
    here: Here,
    inputs: tuple[str, ...],
    jobs: tuple[str, ...],
    env_files: tuple[str, ...],
    output: str,
) -> None:
    """Run the Workflow in FILE (- for standard input), show it, and exit with its result.

    It runs on this machine: each job gets a copy of the current folder, in a container where an engine answers, else in
    processes. Ctrl-C cancels the run, Ctrl-C again kills it.

    On a cluster (--cluster, --context, -n) it is applied. What is there already, unchanged, and over is run again.
    Ctrl-C asks for the end of the run and shows that; Ctrl-C again stops showing it.

    \b
    fairlead run ci.yaml
    fairlead run ci.yaml --job test --input version=1.2 --secret token
    fairlead run ci.yaml -n team -o github
    """  # noqa: D301  click's mark for lines to be kept
    workflow = read_workflow(file)
    resource = with_inputs(workflow, inputs)
    if not where.on_cluster:
        here = replace(here, file=file)
        click.echo("on this machine", err=True)
        carry_out(run_here(workflow, resource, here, view_for(output), jobs=jobs, env_files=env_files))
        return
    if jobs or env_files or here != Here():
        raise click.UsageError(
            "--job, --env-file, --engine, --workspace, --parallel, --secret and --var mean this machine"
        )
    carry_out(_run_on_cluster(where, resource, output))


async def _run_on_cluster(where: Where, resource: dict[str, Any], output: str) -> Exit:
    own = resource["metadata"].get("namespace")
    if own and where.namespace and own != where.namespace:
        raise CommandError(f"the file's namespace is {quote(str(own))}, and {quote(where.namespace)} was asked for")
    async with cluster_runs(where.within(own)) as runs:
        click.echo(f"on {runs.where}", err=True)
        found, after = await applied(runs, resource)
        if found.record.spec.get("schedules"):
            found = await _looked_at(runs, found)
        status = found.record.resource.status
        if is_idle(status):
            click.echo(f"{found.name} is applied; {status.message}", err=True)
            return Exit.SUCCESS
        name = found.name
        return await show(runs, name, view_for(output), after=after, interrupted=lambda: ask_for_end(runs, name))


async def applied(runs: Runs, resource: Mapping[str, Any]) -> tuple[Found, RunNumber | None]:
    """Apply it, and see to it that it runs: give it, and the run that the one to come comes after, if there is one.

    What applies without a change does nothing, by design, and neither does an edit that only steers runs; where the
    run was over, another one is asked for.
    """
    name = resource["metadata"].get("name")
    before = await _known(runs, name) if name else None
    found = await runs.apply(resource)
    if before is None or not before.record.resource.status.ended:
        if before is not None and before.record.resource.generation == found.record.resource.generation:
            click.echo(f"{found.name} is there, unchanged, and not over: showing that run", err=True)
        return found, None
    changed = before.record.resource.generation != found.record.resource.generation
    if changed:
        found = await _looked_at(runs, found)
    status = found.record.resource.status
    if not is_seen(found) or status.run != before.record.resource.status.run or not status.ended:
        return found, None
    said = "has no change that makes it run" if changed else "is there, unchanged, and over"
    click.echo(f"{found.name} {said}: asking for run {(status.run or 0) + 1}", err=True)
    await runs.annotate(found.name, {RERUN: str(status.run)})
    return found, RunNumber(status.run or 0)


async def _known(runs: Runs, name: str) -> Found | None:
    try:
        return await runs.get(name)
    except NotFoundError:
        return None


async def _looked_at(runs: Runs, found: Found) -> Found:
    """Wait until an operator has looked at the edit; a while, as it may not be there."""
    try:
        async with asyncio.timeout(_UNSEEN), iterated(runs.follow(found.name)) as changes:
            async for each in changes:
                if is_seen(each):
                    return each
    except TimeoutError:
        pass
    return found
