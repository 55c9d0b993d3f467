"""`fairlead rerun`: run again what has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairlead.cli.here import here_options
from fairlead.cli.locally import rerun_here
from fairlead.cli.naming import workflow_argument
from fairlead.cli.showing import ask_for_end, names, show, view_for, view_option
from fairlead.cli.where import CommandError, carry_out, opened, where_options
from fairlead.model.ids import RunNumber
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.problem import closest, quote
from fairlead.plan.runs import RERUN

if TYPE_CHECKING:
    from fairlead.cli.here import Here
    from fairlead.cli.where import Where
    from fairlead.engine.runs import Found
    from fairlead.view.exits import Exit


@click.command("rerun", short_help="Run again: all, what failed, or from a job on.")
@workflow_argument
@where_options
@click.option("--failed", is_flag=True, help="Only what didn't succeed, and what needs it.")
@click.option("--from", "job", metavar="JOB", help="Only this job, and what needs it.")
@click.option("-f", "--follow", is_flag=True, help="Show the run, and exit with its result.")
@here_options
@view_option
def rerun_command(
    name: str, *, where: Where, here: Here, failed: bool, job: str | None, follow: bool, output: str
) -> None:
    """Run the Workflow NAME again, which has to be over. On this machine that is always shown.

    \b
    fairlead rerun ci -n team --failed --follow
    fairlead rerun ci -n team --from test
    """  # noqa: D301  click's mark for lines to be kept
    if failed and job is not None:
        raise click.UsageError("--failed and --from are two different requests; choose one")
    carry_out(_rerun(where, here, name, output, failed=failed, job=job, follow=follow))


async def _rerun(
    where: Where, here: Here, name: str, output: str, *, failed: bool, job: str | None, follow: bool
) -> Exit | None:
    async with opened(where, name) as runs:
        found = await runs.get(name)
        request = words_of(found, failed=failed, job=job)
        if not where.on_cluster and not runs.where.startswith("cluster"):
            return await rerun_here(name, request, here, view_for(output))
        run = RunNumber(int(request.split()[0]))
        await runs.annotate(name, {RERUN: request})
        if not follow:
            click.echo(f"{name} run {run + 1} was asked for")
            return None
        return await show(runs, name, view_for(output), after=run, interrupted=lambda: ask_for_end(runs, name))


def words_of(found: Found, *, failed: bool, job: str | None) -> str:
    """Give the request as the annotation has it. Raises CommandError where it makes no sense."""
    status, name = found.record.resource.status, quote(found.name)
    if status.phase is WorkflowPhase.INVALID:
        raise CommandError(f"{name} can't run: {status.message}")
    if status.run is None or not status.ended:
        raise CommandError(f"{name} is not over; to begin anew, cancel it first")
    if job is not None:
        if job not in status.jobs:
            meant = closest(job, status.jobs)
            known = f"did you mean {quote(meant)}?" if meant else f"there are {names(list(status.jobs))}"
            raise CommandError(f"{name} has no job {quote(job)}; {known}")
        return f"{status.run} from {job}"
    if failed:
        if all(each.phase in (JobPhase.SUCCEEDED, JobPhase.SKIPPED) for each in status.jobs.values()):
            raise CommandError(f"nothing of {name} failed; without --failed all of it runs again")
        return f"{status.run} failed"
    return str(status.run)
