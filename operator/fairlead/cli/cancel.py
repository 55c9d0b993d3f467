"""`fairlead cancel`: end a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairlead.cli.naming import workflow_argument
from fairlead.cli.showing import show
from fairlead.cli.where import CommandError, carry_out, opened, where_options
from fairlead.model.problem import quote
from fairlead.plan.runs import CANCEL
from fairlead.view.machine import SilentView
from fairlead.view.nodes import is_idle, is_over

if TYPE_CHECKING:
    from fairlead.cli.where import Where


@click.command("cancel", short_help="End a run.")
@workflow_argument
@where_options
@click.option("--wait", is_flag=True, help="Return when the run is over, not when it was asked to end.")
def cancel_command(name: str, *, where: Where, wait: bool) -> None:
    """Cancel the run of the Workflow NAME. Jobs and steps with always() or cancelled() still run.

    \b
    fairlead cancel ci -n team --wait
    """  # noqa: D301  click's mark for lines to be kept
    carry_out(_cancel(where, name, wait=wait))


async def _cancel(where: Where, name: str, *, wait: bool) -> None:
    async with opened(where, name) as runs:
        status = (await runs.get(name)).record.resource.status
        if is_over(status):
            click.echo(f"{name} run {status.run} was over already: {status.phase}")
            return
        if is_idle(status):
            raise CommandError(f"{quote(name)} has no run: it waits for its schedule")
        run = status.run or 1
        await runs.annotate(name, {CANCEL: str(run)})
        click.echo(f"{name} run {run} is being cancelled")
        if wait:
            await show(runs, name, SilentView(), from_start=False)
            ended = (await runs.get(name)).record.resource.status
            click.echo(f"{name} run {ended.run} is over: {ended.phase}")
