"""`fairlead list`: which Workflows there are, and how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fairlead.cli.showing import now, show_document, show_lines, standard_output, terminal_width
from fairlead.cli.where import carry_out, opened, where_options
from fairlead.model.phase import WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.model.status import format_time
from fairlead.view.table import table

if TYPE_CHECKING:
    from typing import Any

    from fairlead.cli.where import Where
    from fairlead.engine.runs import Found


@click.command("list", short_help="List Workflows and how they stand.")
@where_options
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of all namespaces.")
@click.option(
    "--phase",
    "phases",
    multiple=True,
    type=click.Choice([str(each) for each in WorkflowPhase], case_sensitive=False),
    help="Only those in this phase; may be repeated.",
)
@click.option(
    "-o", "--output", type=click.Choice(("table", "wide", "name", "json", "yaml")), default="table", show_default=True
)
def list_command(*, where: Where, all_namespaces: bool, phases: tuple[str, ...], output: str) -> None:
    """List Workflows, the newest first, with the columns of `kubectl get`.

    \b
    fairlead list -n ci
    fairlead list --cluster -A --phase failed --phase running
    fairlead list -n ci -o json | jq -r '.[].name'
    """  # noqa: D301  click's mark for lines to be kept
    carry_out(_list(where, frozenset(phases), output, all_namespaces=all_namespaces))


async def _list(where: Where, phases: frozenset[str], output: str, *, all_namespaces: bool) -> None:
    async with opened(where) as runs:
        found = [each for each in await runs.list() if not phases or each.record.resource.status.phase in phases]
        where_said = runs.where
    match output:
        case "json" | "yaml":
            show_document([_document(each) for each in found], output)
        case "name":
            standard_output().write("".join(f"{_name(each, all_namespaces=all_namespaces)}\n" for each in found))
        case _ if not found:
            click.echo(f"no Workflows{' in such a phase' if phases else ''} on {where_said}", err=True)
        case _:
            wide = output == "wide"
            width = None if wide else terminal_width()
            show_lines(table(found, now(), namespaces=all_namespaces, wide=wide, width=width))


def _name(found: Found, *, all_namespaces: bool) -> str:
    key = found.record.resource.key
    return one_line(str(key) if all_namespaces else key.name)


def _document(found: Found) -> dict[str, Any]:
    resource = found.record.resource
    return {
        "name": resource.key.name,
        "namespace": resource.key.namespace,
        "createdAt": format_time(found.created_at) if found.created_at is not None else None,
        "labels": dict(found.labels),
        **resource.status.to_json(),
    }
