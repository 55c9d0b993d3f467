"""`fairlead version`: of this program, of the cluster, and of the operator in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from fairlead import __version__
from fairlead.cli.showing import show_document
from fairlead.cli.where import carry_out, cluster_runs, where_options
from fairlead.engine.errors import EngineError
from fairlead.kube.errors import KubeError
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from fairlead.cli.where import Where

_PATIENCE: Final = 5.0


@click.command("version", short_help="Show the versions of program, cluster and operator.")
@where_options
@click.option("--client", is_flag=True, help="Don't ask the cluster.")
@click.option("-o", "--output", type=click.Choice(("text", "json", "yaml")), default="text", show_default=True)
def version_command(*, where: Where, client: bool, output: str) -> None:
    """Show the version of this program and, as far as it can be reached, of the cluster and of the operator in it."""
    carry_out(_version(where, output, client=client))


async def _version(where: Where, output: str, *, client: bool) -> None:
    document: dict[str, Any] = {"client": __version__}
    if not client:
        document |= await _of_cluster(where)
    if output != "text":
        show_document(document, output)
        return
    click.echo(f"client    fairlead {document['client']}")
    if "server" in document:
        click.echo(f"cluster   Kubernetes {document['server']} ({document['cluster']})")
        operators = document["operators"]
        said = "its Deployment can't be looked at" if operators is None else "none found"
        click.echo(f"operator  {'fairlead ' + ', '.join(operators) if operators else said}")
    elif "error" in document:
        click.echo(f"cluster   {document['error']}")


async def _of_cluster(where: Where) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE), cluster_runs(where) as runs:
            versions = await runs.versions()
            return {
                "cluster": runs.cluster,
                "server": one_line(versions.server),
                "operators": None if versions.operators is None else [one_line(each) for each in versions.operators],
            }
    except TimeoutError:
        return {"error": "no answer"}
    except (EngineError, KubeError) as error:
        return {"error": one_line(str(error))}
