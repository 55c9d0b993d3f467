"""`fairlead watch`: follow a run until it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairlead.cli.naming import workflow_argument
from fairlead.cli.showing import show, view_for, view_option
from fairlead.cli.where import carry_out, opened, where_options

if TYPE_CHECKING:
    from fairlead.cli.where import Where
    from fairlead.view.exits import Exit


@click.command("watch", short_help="Follow a run until it is over.")
@workflow_argument
@where_options
@view_option
def watch_command(name: str, *, where: Where, output: str) -> None:
    """Follow the run of the Workflow NAME, and exit with its result. Ctrl-C stops following; the run goes on.

    \b
    fairlead watch ci -n team
    fairlead watch ci -n team -o json > status.json
    """  # noqa: D301  click's mark for lines to be kept
    carry_out(_watch(where, name, output))


async def _watch(where: Where, name: str, output: str) -> Exit:
    async with opened(where, name) as runs:
        return await show(runs, name, view_for(output), from_start=False)
