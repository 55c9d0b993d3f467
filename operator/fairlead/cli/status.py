"""`fairlead status`: everything that is recorded of a Workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairlead.cli.naming import workflow_argument
from fairlead.cli.showing import now, show_document, show_lines, terminal_width
from fairlead.cli.where import carry_out, opened, where_options
from fairlead.view.machine import document_of
from fairlead.view.report import report

if TYPE_CHECKING:
    from fairlead.cli.where import Where


@click.command("status", short_help="Show jobs, steps, outputs and earlier runs.")
@workflow_argument
@where_options
@click.option("-o", "--output", type=click.Choice(("text", "json", "yaml")), default="text", show_default=True)
def status_command(name: str, *, where: Where, output: str) -> None:
    """Show how the Workflow NAME stands: jobs, combinations and steps, results, times, outputs, and earlier runs.

    \b
    fairlead status ci -n team
    fairlead status ci -n team -o json | jq -r .phase
    """  # noqa: D301  click's mark for lines to be kept
    carry_out(_status(where, name, output))


async def _status(where: Where, name: str, output: str) -> None:
    async with opened(where, name) as runs:
        found = await runs.get(name)
    if output == "text":
        show_lines(report(found, now(), width=terminal_width()))
    else:
        show_document(document_of(found), output)
