"""`fairlead plan`: what a run would do, and what an apply would change."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import click

from fairlead.cli.checked import Checked, as_stored, check_file, show_errors
from fairlead.cli.excerpt import show, terminal
from fairlead.cli.files import read_workflow
from fairlead.cli.inputs import with_inputs
from fairlead.cli.lint import finding_document
from fairlead.cli.planned import difference_document, difference_lines, plan_document, plan_lines
from fairlead.cli.showing import now
from fairlead.cli.where import Where, carry_out, cluster_runs, local_runs, where_options
from fairlead.engine.errors import EngineError
from fairlead.engine.runs import NotFoundError
from fairlead.model.problem import InvalidWorkflowError, closest, quote
from fairlead.plan.critical_path import critical_path, durations_of
from fairlead.plan.difference import compare
from fairlead.plan.forecast import Forecast, forecast
from fairlead.syntax import parse_spec
from fairlead.syntax.writing import to_yaml
from fairlead.view.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.engine.runs import Found
    from fairlead.model.ids import JobId
    from fairlead.model.workflow import Workflow

_FORMATS: Final = ("text", "json", "yaml")


@click.command("plan", short_help="Show what a run would do, or with --diff what an apply would change.")
@click.argument("file")
@click.option("-i", "--input", "inputs", metavar="NAME=VALUE", multiple=True, help="Set an input; may be repeated.")
@click.option("-j", "--job", metavar="JOB", help="Plan only this job and what it needs.")
@click.option("-o", "--output", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option(
    "--diff", is_flag=True, help="Compare with what is on the cluster: what an apply cancels, keeps and runs."
)
@where_options
def plan_command(file: str, *, inputs: tuple[str, ...], job: str | None, output: str, diff: bool, where: Where) -> None:
    """Show what a run of the Workflow in FILE (- for standard input) would do, in waves. Nothing is started.

    Conditions and matrices are worked out as far as that can be done before anything has run; the rest is told as the
    expression that it depends on. The critical path is by the seconds that the jobs took before, where a run of the
    Workflow is recorded, else by the number of jobs.

    Exit code 0: it can run. 1: it has errors. 2: the file can't be read, or the command was called wrongly.

    \b
    fairlead plan ci.yaml --input version=1.2
    fairlead plan ci.yaml -o json | jq '.jobs[] | select(.wave == 1).name'
    fairlead plan ci.yaml --diff -n team
    """  # noqa: D301  click's mark for lines to be kept
    source = read_workflow(file)
    checked = check_file(source, with_inputs(source, inputs))
    if checked.workflow is None:
        _refuse(checked, output)
        return
    if diff:
        carry_out(_diff(checked, checked.workflow, where, output))
        return
    found = forecast(checked.workflow, checked.resource, checked.written)
    if job is not None:
        found = _only(found, job)
    path = critical_path(found.jobs, _past(source.name, where))
    if output == "text":
        show(terminal(), plan_lines(source.name, found, path))
    else:
        _print(plan_document(source.name, found, path), output)
    if any(each.trouble for each in found.jobs):
        raise SystemExit(int(Exit.FAILED))


def _refuse(checked: Checked, output: str) -> None:
    """Tell what is wrong with a workflow: machines in the document that they asked for."""
    if output == "text":
        show_errors(checked)
    else:
        errors = [finding_document(checked.file.source.name, each) for each in checked.errors]
        _print({"workflow": checked.file.name, "jobs": [], "criticalPath": [], "errors": errors}, output)
    raise SystemExit(int(Exit.FAILED))


def _print(document: Mapping[str, Any], output: str) -> None:
    text = json.dumps(document, indent=2) if output == "json" else to_yaml(document).rstrip("\n")
    terminal().print(text)


def _only(found: Forecast, job: str) -> Forecast:
    """Leave out what a job doesn't need. Raises click.BadParameter."""
    jobs = {str(each.id): each for each in found.jobs}
    if job not in jobs:
        near = closest(job, jobs)
        hint = f"; did you mean {quote(near)}?" if near else ""
        raise click.BadParameter(f"the workflow has no job {quote(job)}{hint}", param_hint="'--job'")
    wanted, pending = {job}, [job]
    while pending:
        for need in jobs[pending.pop()].needs:
            if need not in wanted:
                wanted.add(need)
                pending.append(need)
    return found.only(wanted)


# What is recorded


def _past(name: str, where: Where) -> dict[JobId, float]:
    """Give how long jobs took before: on the cluster that is named, else on this machine, if it ran them."""
    if where.on_cluster:
        found: list[Found | None] = []

        async def look() -> None:
            found.append(await _on_cluster(where, name))

        carry_out(look())
        recorded = found[0]
    else:
        recorded = asyncio.run(_here(name))
    return durations_of(recorded.record.resource.status) if recorded is not None else {}


async def _on_cluster(where: Where, name: str) -> Found | None:
    async with cluster_runs(where) as runs:
        click.echo(f"on {runs.where}", err=True)
        try:
            return await runs.get(name)
        except NotFoundError:
            return None


async def _here(name: str) -> Found | None:
    """Look whether this machine knows it; a record that can't be read is as good as none."""
    runs = local_runs()
    try:
        return await runs.get(name) if runs is not None else None
    except (NotFoundError, EngineError, OSError):
        return None


async def _diff(checked: Checked, new: Workflow, where: Where, output: str) -> None:
    namespace = checked.file.metadata.get("namespace")
    meant = where.within(namespace) if isinstance(namespace, str) else where
    found = await _on_cluster(meant, checked.file.name)
    resource = found.record.resource if found is not None else None
    difference = compare(new, _recorded(found), resource, now())
    if output == "text":
        show(terminal(), difference_lines(checked.file.name, difference, resource))
    else:
        _print(difference_document(checked.file.name, difference, resource), output)


def _recorded(found: Found | None) -> Workflow | None:
    """Give the workflow that is on the cluster; None where its spec can't run."""
    if found is None:
        return None
    try:
        return parse_spec(as_stored(found.record.spec))
    except InvalidWorkflowError:
        return None
